"""`penstock app new` and `run` against the real platform, used by a browser that is only an HTTP client."""

import json
import os
import re
import signal
import stat
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest

from tests.builders import web
from tests.builders.sdk import real_platform
from tests.builders.stack import BIN, Stack, free_port, wait_for

pytestmark = [pytest.mark.integration, pytest.mark.timeout(120)]


def clean() -> dict[str, str]:
    """Give an environment in which nothing tells of a test."""
    return {k: v for k, v in os.environ.items() if not k.startswith(("PENSTOCK_", "PYTEST_"))}


@contextmanager
def app_running(stack: Stack, folder: Path) -> Iterator[str]:
    """Write an app, run it as a user would, give its address; it ends by Ctrl-C (130), without a traceback."""
    subprocess.run([str(BIN / "penstock"), "app", "new", "hello", "--in", str(folder)], check=True, capture_output=True)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [str(BIN / "penstock"), "app", "run", str(folder / "hello"), "--platform", stack.url("platform")]
    command += ["--data", str(stack.folder), "--port", str(port)]
    with (folder / "app.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, env=clean())
    try:
        wait_for(lambda: process.poll() is not None or web.get(url + "/health").is_success, "the app ready", 40)
        assert process.poll() is None, (folder / "app.log").read_text()[-2000:]
        yield url
    finally:
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
        status = process.wait(20)
    said = (folder / "app.log").read_text()
    assert status == 130, said[-2000:]
    assert "Traceback" not in said, said[-2000:]


def login_link(stack: Stack) -> str:
    return (stack.folder / "secrets" / "login-link").read_text().strip()


def test_a_new_app_is_registered_logs_people_in_and_out_and_keeps_tokens_to_itself(tmp_path: Path) -> None:
    with real_platform(tmp_path / "stack") as stack:
        with app_running(stack, tmp_path) as url:
            a_person_logs_in_and_out(stack, url)
        follows_its_manifest_and_keeps_its_credential(stack, tmp_path / "hello")


def a_person_logs_in_and_out(stack: Stack, url: str) -> None:
    secret = stack.folder / "secrets" / "hello.json"
    assert stat.S_IMODE(secret.stat().st_mode) == 0o600
    storage = stack.folder / "apps" / "hello" / "storage-secret"
    assert stat.S_IMODE(storage.stat().st_mode) == 0o600
    with web.Client(follow_redirects=True, timeout=30) as browser:
        before = browser.get(url + "/")
        assert before.url.path == "/login"  # the platform asks who it is
        assert str(before.url).startswith(stack.url("platform"))
        browser.get(login_link(stack))
        page = browser.get(url + "/?x=1")
        assert str(page.url) == url + "/?x=1"
        assert "Newest values" in page.text
        assert "frame-ancestors 'none'" in page.headers["content-security-policy"]
        foreign = re.findall(r"https?://(?!127\.0\.0\.1|www\.w3\.org)[\w.-]+", page.text)
        assert [f for f in foreign if "nicegui.io" not in f] == []
        assert all(name.startswith("penstock_hello_") for name in cookies_of(browser, stack))
        held = json.dumps(dict(browser.cookies)) + page.text
        assert not re.search(r"eyJ[\w-]+\.eyJ[\w-]+\.[\w-]+", held), "an access token reached the browser"
        assert json.loads(secret.read_text())["client_secret"] not in held

        kept = browser.get(url + "/logout", headers={"Sec-Fetch-Site": "cross-site"})
        assert str(kept.url) == url + "/", "a link elsewhere logs nobody out"
        platform_cookies = dict(httpx.Cookies(browser.cookies))
        out = browser.get(url + "/logout")
        assert str(out.url) == stack.url("platform") + "/login?out=true"
        assert "You are logged out of Penstock and its apps." in out.text
        names = cookies_of(browser, stack)
        assert "penstock_hello_session" not in names
        assert browser.get(stack.url("platform") + "/").url.path == "/login", "the platform's session has ended too"
        assert browser.get(url + "/").url.path == "/login", "the app asks who it is"
    with web.Client(follow_redirects=True, timeout=30, cookies=platform_cookies) as copied:
        assert copied.get(stack.url("platform") + "/").url.path == "/login", "also for a kept copy of the cookies"
    with web.Client(follow_redirects=True, timeout=30) as other:
        denied = other.get(url + "/oauth/callback?code=stolen&state=guessed")
        assert denied.status_code == 400
        assert "log in again" in denied.text


def cookies_of(browser: httpx.Client, stack: Stack) -> list[str]:
    """Give the names of cookies that the app set; the platform's own session is left out."""
    return [
        c.name
        for c in browser.cookies.jar
        if "hello" in c.name or not c.name.lower().startswith(("penstock", "__host"))
    ]


def follows_its_manifest_and_keeps_its_credential(stack: Stack, folder: Path) -> None:
    before = (stack.folder / "secrets" / "hello.json").read_text()
    manifest = folder / "app.yaml"
    manifest.write_text(manifest.read_text().replace("name: Hello", "name: Good day"))
    url = f"http://127.0.0.1:{free_port()}"
    command = [str(BIN / "penstock"), "app", "run", str(folder), "--platform", stack.url("platform")]
    command += ["--data", str(stack.folder), "--port", url.rpartition(":")[2]]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=clean())
    try:
        wait_for(lambda: web.get(url + "/health").is_success, "the app ready again", 40)
    finally:
        process.terminate()
        said, _ = process.communicate(timeout=20)
    assert "Good day is registered; changed:" in said
    assert (stack.folder / "secrets" / "hello.json").read_text() == before


def test_an_app_without_platform_or_credential_says_so(tmp_path: Path) -> None:
    run = [str(BIN / "penstock"), "app", "run"]
    subprocess.run(
        [str(BIN / "penstock"), "app", "new", "hello", "--in", str(tmp_path)], check=True, capture_output=True
    )
    hello = [*run, "hello", "--port", str(free_port())]
    told = subprocess.run(hello, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert told.returncode == 1
    assert "no such credentials file" in told.stderr
    credential = tmp_path / "cli.json"
    credential.write_text('{"client_id": "x", "client_secret": "y"}')
    command = [*hello, "--credentials", str(credential), "--platform", f"http://127.0.0.1:{free_port()}"]
    told = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert told.returncode == 1
    assert "is the platform running there?" in told.stderr
    told = subprocess.run([*run, "nix"], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert "neither a folder with app.yaml, nor one of: maintenance, monitoring" in told.stderr
    assert "Traceback" not in told.stderr
