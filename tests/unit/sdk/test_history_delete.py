from typer.testing import CliRunner

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
