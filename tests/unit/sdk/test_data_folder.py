"""Commands find the platform of the data folder that they look at."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.sdk.data_folder import DEFAULT_PLATFORM, platform_of
from penstock.sdk.history_cli import commands
from tests.builders.ports import free_port


def test_what_is_given_goes_before_the_folder_and_the_folder_before_the_usual_port(tmp_path: Path) -> None:
    assert platform_of(None, tmp_path) == DEFAULT_PLATFORM
    (tmp_path / "ports.json").write_text('{"platform": 9080}')
    assert platform_of(None, tmp_path) == "http://127.0.0.1:9080"
    assert platform_of("http://plant", tmp_path) == "http://plant"


@pytest.mark.parametrize("words", [["safe"], ["delete", "--tag", "a", "--start", "1", "--end", "2", "--yes"]])
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
