from pathlib import Path

import pytest
from typer.testing import CliRunner

from penstock.sdk import history_cli
from penstock.sdk.history_cli import commands
from tests.builders.sdk import NOW, S, ramp, small_plant


def test_without_an_answer_nothing_is_deleted() -> None:
    told = CliRunner().invoke(commands, ["delete", "--tag", "plc/flow", "--start", "-2", "--end", "-1"])
    assert told.exit_code == 1
    assert "nobody can be asked here: give --yes to delete" in told.output


def test_a_deletion_says_what_it_does_from_the_command_line_to_the_options() -> None:
    told = CliRunner().invoke(commands, ["delete", "--tag", "plc/flow", "--start", "-2", "--end", "-2", "--yes"])
    assert told.exit_code == 1
    assert "--start -2 does not lie before --end -2" in told.output


@pytest.mark.parametrize("words", [["delete", "--tag", "plc/flow", "--yes"], ["export", "{new}", "--all"]])
@pytest.mark.parametrize(
    ("start", "end", "span"),
    [
        ("2026-11-24 10:32", "2026-11-24T10:32:05Z", ("2026-11-24T10:32:00.0", "2026-11-24T10:32:05.0")),
        ("2026-11-23", "2026-11-24", ("2026-11-23T00:00:00.0", "2026-11-24T00:00:00.0")),
    ],
)
def test_a_span_takes_the_times_that_people_say(
    words: list[str], start: str, end: str, span: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(3))
    monkeypatch.setattr(history_cli, "AsyncClient", lambda *_, **__: fake.client())
    told = CliRunner().invoke(
        commands, [*(word.format(new=tmp_path / "new") for word in words), "--start", start, "--end", end]
    )
    assert told.exit_code == 0, told.output
    assert all(moment in told.output for moment in span)


def test_a_clock_time_is_taken_and_what_is_none_is_told_with_the_forms() -> None:
    command = ["delete", "--tag", "plc/flow", "--yes"]
    told = CliRunner().invoke(commands, [*command, "--start", "10:32", "--end", "10:32"])
    assert "--start 10:32 does not lie before --end 10:32" in told.output
    told = CliRunner().invoke(commands, [*command, "--start", "half past ten", "--end", "now"])
    assert "write 10:32, 2026-11-26" in told.output


def test_the_synchronous_client_deletes_and_replaces() -> None:
    fake = small_plant()
    fake.feed("plc/flow", ramp(10))
    with fake.sync_client() as client:
        gone = client.delete("plc/flow", start=NOW - 3 * S, end=NOW, reason="drift")
        assert (gone.position, gone.erased) == (2, 3)
        assert client.delete("plc/flow", start=NOW - 3 * S, end=NOW).erased == 0
        assert [s.value for s in client.samples("plc/flow")] == [float(k) for k in range(7)]
        (told,) = client.since(1).erasures
        assert (told.start, told.end, told.position) == (NOW - 3 * S, NOW, 2)
    assert fake.requests[-1].url.params.get("position") == "1"
    with fake.sync_client(app="calc") as client:
        tag = client.declare_tag(asset="works/site/hall/pump-1", property="x")
        client.write(tag, [(NOW, 1.0)])
        assert client.replace(tag, [(NOW, 2.0)]).erased == 1
        assert client.replace_many({tag: [(NOW, 2.0)]}).duplicates == 1
        assert [s.value for s in client.samples(tag, end=NOW + S)] == [2.0]
