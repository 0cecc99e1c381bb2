"""Readiness, asked as the demo asks: often, while six processes start on the same cores."""

import ssl
from collections.abc import Iterator
from http.server import HTTPServer, SimpleHTTPRequestHandler
from threading import Thread

import pytest

from penstock.cli.demo.readiness import http_ok, serves


class Said(SimpleHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{"status": "ok"}')

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def url() -> Iterator[str]:
    server = HTTPServer(("127.0.0.1", 0), Said)
    thread = Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}/health"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_a_question_loads_no_authorities(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """They take 25 ms of CPU a question, half a core in all."""
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: pytest.fail("authorities were loaded"))
    assert await http_ok(url)()
    assert await serves(url, starting_max_s=1)()
