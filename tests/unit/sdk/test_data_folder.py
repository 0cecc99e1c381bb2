"""Commands find the platform of the data folder that they look at, and count in words."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.sdk.data_folder import DEFAULT_PLATFORM, platform_of
from penstock.sdk.history_cli import commands
from penstock.sdk.transfer.exporting import NOTE
from tests.builders.ports import free_port


def test_what_is_given_goes_before_the_folder_and_the_folder_before_the_usual_port(tmp_path: Path) -> None:
    assert platform_of(None, tmp_path) == DEFAULT_PLATFORM
    (tmp_path / "ports.json").write_text('{"platform": 9080}')
    assert platform_of(None, tmp_path) == "http://127.0.0.1:9080"
    assert platform_of("http://plant", tmp_path) == "http://plant"


@pytest.mark.parametrize("words", [["safe"], ["delete", "--tag", "a", "--start", "1h-ago", "--end", "now", "--yes"]])
def test_history_asks_the_demo_of_its_data_folder(
    words: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PENSTOCK_APP_PLATFORM_URL", raising=False)
    port = free_port()
    (tmp_path / "ports.json").write_text(f'{{"platform": {port}}}')
    (tmp_path / "secrets").mkdir()
    (tmp_path / "secrets" / "cli.json").write_text('{"client_id": "a", "client_secret": "b"}')
    told = CliRunner().invoke(commands, [*words, "--data", str(tmp_path)])
    assert told.exit_code == 1
    assert f"http://127.0.0.1:{port}" in told.output


@pytest.mark.parametrize(("rows", "parts", "said"), [(1, 1, "1 sample in 1 part."), (2, 3, "2 samples in 3 parts.")])
def test_an_export_that_is_whole_is_told_in_the_right_number(rows: int, parts: int, said: str, tmp_path: Path) -> None:
    note = dict.fromkeys(("start", "end", "format", "tags", "group", "cursor"))
    note |= {"platform": "http://127.0.0.1:1", "done": True, "rows": rows, "parts": [""] * parts}
    (tmp_path / NOTE).write_text(json.dumps(note))
    (tmp_path / "cli.json").write_text('{"client_id": "a", "client_secret": "b"}')
    options = ["--platform", "http://127.0.0.1:1", "--credentials", str(tmp_path / "cli.json")]
    told = CliRunner().invoke(commands, ["export", str(tmp_path), *options])
    assert f"whole already, {said}" in told.output
