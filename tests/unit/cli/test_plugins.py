import gc
import sys
from importlib.metadata import EntryPoint

import pytest
import typer
from typer.testing import CliRunner

from penstock.cli import plugins
from penstock.cli.main import cli, main
from penstock.core.errors import ConfigError
from penstock.platform.kit.problems import Problem
from penstock.sdk.scaffold import ScaffoldError

runner = CliRunner()
good = typer.Typer(help="Works.")


@good.command()
def hello(name: str) -> None:
    typer.echo(f"hello {name}")


@good.command()
def other() -> None:
    """Make the group a group."""


@good.command()
def fail(how: str) -> None:
    raise {
        "told": ConfigError("7 is no port", file="a.yaml", line=3, key="port"),
        "client": ScaffoldError("no"),
        "problem": Problem(404, "not-found", "no such thing"),
        "bug": LookupError("a bug"),
    }[how]


not_typer = 7


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    sys.modules.setdefault("cli_plugins_under_test", sys.modules[__name__])
    found = {
        "good": "cli_plugins_under_test:good",
        "absent": "no_such_module_at_all:commands",
        "wrong": "cli_plugins_under_test:not_typer",
    }
    made = [EntryPoint(name, value, plugins.GROUP) for name, value in found.items()]
    monkeypatch.setattr(plugins, "entry_points", lambda group: made)


def test_help_lists_every_plugin_without_importing_any(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: EntryPoint) -> None:
        pytest.fail("help imported a plug-in")

    monkeypatch.setattr(EntryPoint, "load", refuse)
    result = runner.invoke(cli, ["--help"])
    assert result.exit_code == 0
    assert all(name in result.output for name in ("demo", "doctor", "good", "absent", "wrong"))


def test_a_plugin_runs_with_its_arguments() -> None:
    assert runner.invoke(cli, ["good", "hello", "Ada"]).output == "hello Ada\n"


@pytest.mark.parametrize(("name", "said"), [("absent", "ModuleNotFoundError"), ("wrong", "not a typer.Typer")])
@pytest.mark.parametrize("arguments", [[], ["--help"], ["run", "--port", "1"]])
def test_a_broken_plugin_is_named_and_the_others_work(name: str, said: str, arguments: list[str]) -> None:
    result = runner.invoke(cli, [name, *arguments])
    assert result.exit_code == 1
    assert said in result.output
    assert "The other commands work" in result.output
    assert runner.invoke(cli, ["good", "hello", "Ada"]).exit_code == 0


def test_an_unknown_command_is_refused() -> None:
    result = runner.invoke(cli, ["god"])
    assert result.exit_code == 2
    assert "No such command" in result.output


def test_the_version_is_told() -> None:
    assert runner.invoke(cli, ["--version"]).output.startswith("penstock 0.")


@pytest.mark.parametrize(
    ("how", "said"),
    [("told", "a.yaml:3: port: 7 is no port\n"), ("client", "no\n"), ("problem", "404 not-found: no such thing\n")],
)
def test_an_expected_error_of_any_command_is_its_words_alone(
    how: str, said: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "httpx._main", None)  # as main() does, and taken back after the test
    monkeypatch.setattr(sys, "argv", ["penstock", "good", "fail", how])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 1
    assert capsys.readouterr().err == said


def test_a_bug_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httpx._main", None)  # as main() does, and taken back after the test
    monkeypatch.setattr(sys, "argv", ["penstock", "good", "fail", "bug"])
    with pytest.raises(LookupError, match="a bug"):
        main()


def test_garbage_is_collected_again_whether_a_plugin_loads_or_not(monkeypatch: pytest.MonkeyPatch) -> None:
    while_loading: list[bool] = []

    def look(plugin: EntryPoint) -> typer.Typer:
        while_loading.append(gc.isenabled())
        if plugin.name == "absent":
            raise ModuleNotFoundError
        return good

    monkeypatch.setattr(EntryPoint, "load", look)
    for name in ("good", "absent"):
        plugins.load(plugins.plugins()[name])
        assert gc.isenabled()
    assert while_loading == [False, False]
