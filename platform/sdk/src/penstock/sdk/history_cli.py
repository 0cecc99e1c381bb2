"""`penstock history`: take history out of a platform into files, bring files in, ask whether it is all there."""

from __future__ import annotations

import sys
import time
from collections.abc import Coroutine
from dataclasses import replace as replaced
from pathlib import Path
from typing import Annotated, Any, NoReturn

import anyio
import typer

from penstock.core.times import format_rfc3339_ns, parse_asked_time
from penstock.sdk.async_client import AsyncClient
from penstock.sdk.data_folder import PLATFORM_HELP, platform_of
from penstock.sdk.errors import ClientError
from penstock.sdk.models import Tag
from penstock.sdk.times import spoken
from penstock.sdk.transfer.exporting import FORMATS, Exporter, Wanted, continued
from penstock.sdk.transfer.files import files_in
from penstock.sdk.transfer.importing import Importer, Options, Tally
from penstock.sdk.transfer.progress import TransferError

commands = typer.Typer(
    no_args_is_help=True, help="Move history in and out (Parquet, CSV), delete it, ask what is safely stored."
)

Platform = Annotated[str | None, typer.Option(envvar="PENSTOCK_APP_PLATFORM_URL", help=PLATFORM_HELP)]
Data = Annotated[Path, typer.Option(help="Data folder, with the secrets of the platform.")]
Credentials = Annotated[
    Path | None, typer.Option(help="Credentials file with the scopes needed; else <data>/secrets/cli.json.")
]
DEFAULT_DATA = Path("penstock-data")
TIMES = "10:32, 2026-11-26, 2026-11-26 10:32 (all UTC), RFC 3339, ns, 2h-ago, now"


@commands.command(name="import")
def import_(
    files: Annotated[list[Path], typer.Argument(help="Parquet or CSV files, or folders of them.")],
    time_column: Annotated[str | None, typer.Option("--time", help="Column of the source time; else `time`.")] = None,
    renamed: Annotated[
        list[str] | None,
        typer.Option("--map", help="COLUMN=KEY for a column of a wide file; COLUMN= leaves it out. Repeatable."),
    ] = None,
    zone: Annotated[str | None, typer.Option(help="IANA zone of times without an offset, e.g. Europe/Berlin.")] = None,
    delimiter: Annotated[str | None, typer.Option(help="Of a CSV; else the commonest of , ; tab | in line 1.")] = None,
    rejects: Annotated[Path | None, typer.Option(help="Set rows that do not fit aside in this CSV; else stop.")] = None,
    *,
    restart: Annotated[bool, typer.Option("--restart", help="Forget how far the last run came.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Samples take the place of those that are there at the same times.")
    ] = False,
    platform: Platform = None,
    data: Data = DEFAULT_DATA,
    credentials: Credentials = None,
) -> None:
    """Bring samples of tags that exist into the historian; the same command goes on after a break."""

    async def work() -> None:
        options = Options(time_column, _renamed(renamed), zone, delimiter, rejects, restart, replace)
        many = files_in(files)
        async with _client(platform, data, credentials) as client:
            for path in many:
                shown = Progress(path.name)
                options_here = options if len(many) == 1 else _of_file(options, path)
                importer = Importer(client, path, options_here, tell=shown.tell)
                if importer.is_done():
                    _say(f"{path.name}: whole already, {path.name}.import.json says so; --restart imports it again.")
                    continue
                shown.end(await importer.run())

    _run(work())


@commands.command()
def export(
    folder: Annotated[Path, typer.Argument(help="New folder for the parts, or one in which an export broke off.")],
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Key of a tag. Repeatable.")] = None,
    asset: Annotated[str | None, typer.Option(help="Path of an asset: all its tags.")] = None,
    *,
    everything: Annotated[bool, typer.Option("--all", help="Every tag of the tenant.")] = False,
    start: Annotated[str, typer.Option(help=f"From this time on: {TIMES}.")] = "1d-ago",
    end: Annotated[str, typer.Option(help="Up to before this time.")] = "now",
    format_: Annotated[str, typer.Option("--format", help="parquet or csv.")] = "parquet",
    platform: Platform = None,
    data: Data = DEFAULT_DATA,
    credentials: Credentials = None,
) -> None:
    """Write raw samples into a folder of part files; the same command goes on after a break."""

    async def work() -> None:
        async with _client(platform, data, credentials) as client:
            note = continued(folder, client.url)
            if note is not None and note["done"]:
                held = f"{_counted(note['rows'], 'sample')} in {_counted(len(note['parts']), 'part')}"
                _say(f"{folder}: whole already, {held}.")
                return
            if note is not None:
                keys = [tag["key"] for tag in note["tags"]]
                _say(f"{folder}: goes on after {_counted(note['rows'], 'sample')}, as it was begun.")
                chosen = await client.tags.resolve(keys)
                wanted = Wanted(chosen, note["start"], note["end"], note["format"])
            else:
                chosen = await _chosen(client, tags, asset, everything=everything)
                wanted = _wanted(chosen, start, end, format_)
            span = f"{format_rfc3339_ns(wanted.start)} to {format_rfc3339_ns(wanted.end)}"
            _say(f"{_counted(len(wanted.tags), 'tag')}, {span}")
            exporter = Exporter(client, folder, wanted, tell=lambda rows: _say(f"  {rows} samples"))
            rows = await exporter.run()
            _say(f"{folder}: {_counted(rows, 'sample')}.")

    _run(work())


@commands.command()
def delete(
    tags: Annotated[list[str], typer.Option("--tag", help="Key of a tag. Repeatable, at most 100.")],
    start: Annotated[str, typer.Option(help=f"From this time on: {TIMES}.")],
    end: Annotated[str, typer.Option(help="Up to before this time.")],
    reason: Annotated[str, typer.Option(help="Why, for the audit log.")] = "",
    *,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed where nobody can be asked.")] = False,
    platform: Platform = None,
    data: Data = DEFAULT_DATA,
    credentials: Credentials = None,
) -> None:
    """Delete samples of tags; what they were cannot be had back from the platform."""

    async def work() -> None:
        if not yes and not sys.stdin.isatty():
            message = "nobody can be asked here: give --yes to delete"
            raise TransferError(message)
        begin, stop = _span(start, end)
        async with _client(platform, data, credentials) as client:
            chosen = await client.tags.resolve(tags)
            span = f"{format_rfc3339_ns(begin)} to {format_rfc3339_ns(stop)}"
            keys = ", ".join(tag.key for tag in chosen)
            if not yes and not await anyio.to_thread.run_sync(typer.confirm, f"Delete all samples of {keys}, {span}?"):
                _say("Nothing was deleted.")
                return
            exact = {"start": format_rfc3339_ns(begin), "end": format_rfc3339_ns(stop)}
            done = await client.delete([tag.id for tag in chosen], **exact, reason=reason)
            _say(f"{_counted(done.erased, 'sample')} deleted: {keys}, {span} (position {done.position}).")

    _run(work())


@commands.command()
def safe(
    at: Annotated[str, typer.Argument(help=f"Up to when: {TIMES}.")] = "1m-ago",
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Key of a tag. Repeatable.")] = None,
    device: Annotated[str | None, typer.Option(help="All tags of a device.")] = None,
    gateway: Annotated[str | None, typer.Option(help="A gateway, by name or id.")] = None,
    start: Annotated[str | None, typer.Option(help="Losses count from then on; else a day before.")] = None,
    *,
    platform: Platform = None,
    data: Data = DEFAULT_DATA,
    credentials: Credentials = None,
) -> None:
    """Say whether everything up to a time is safely stored, and if not, why. Ends with 0: yes, 2: no, 3: not known."""

    async def work() -> None:
        now_ns = time.time_ns()
        try:
            upto = spoken(at, now_ns)
            since = None if start is None else spoken(start, now_ns)
        except ValueError as wrong:
            raise TransferError(str(wrong)) from None
        async with _client(platform, data, credentials) as client:
            said = await client.ledger.safe(at=upto, start=since, tag=tags, device=device, gateway=gateway)
        _say(str(said["text"]))
        for tag in said["tags"]:
            _say(f"  {tag['key']}: {tag['answer']}, newest sample {tag['newest'] or 'none'}")
        if code := EXIT_CODES[str(said["answer"])]:
            raise typer.Exit(code)

    _run(work())


EXIT_CODES = {"yes": 0, "no": 2, "unknown": 3}


class Progress:
    """One line every few seconds, and one at the end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._said = self._begun = time.monotonic()

    def tell(self, tally: Tally) -> None:
        """Say how far it came, not more often than every two seconds."""
        if time.monotonic() - self._said >= 2.0:
            self._said = time.monotonic()
            _say(f"  {self._name}: {tally.rows} rows")

    def end(self, tally: Tally) -> None:
        """Say what became of the file."""
        seconds = time.monotonic() - self._begun
        refused = f", {tally.refused} rows set aside" if tally.refused else ""
        gone = f", {tally.erased} replaced" if tally.erased else ""
        _say(
            f"{self._name}: {tally.rows} rows, {tally.samples} samples: {tally.stored} stored, "
            f"{tally.duplicates} there already{gone}{refused} ({seconds:.1f} s)."
        )


def _client(platform: str | None, data: Path, credentials: Path | None) -> AsyncClient:
    return AsyncClient(platform_of(platform, data), credentials=credentials or data / "secrets" / "cli.json")


def _of_file(options: Options, path: Path) -> Options:
    """Give each of several files a rejects file of its own."""
    if options.rejects is None:
        return options
    rejects = options.rejects.with_name(f"{options.rejects.stem}-{path.stem}{options.rejects.suffix}")
    return replaced(options, rejects=rejects)


def _renamed(given: list[str] | None) -> dict[str, str]:
    found = {}
    for text in given or []:
        column, sign, key = text.rpartition("=")
        if not sign or not column:
            message = f"--map {text!r}: write COLUMN=KEY, such as Temperature=oven/temp"
            raise TransferError(message)
        found[column] = key
    return found


async def _chosen(client: AsyncClient, keys: list[str] | None, asset: str | None, *, everything: bool) -> list[Tag]:
    if everything:
        chosen = list(await client.tags.list())
    else:
        chosen = list(await client.tags.list(asset=asset)) if asset else []
        chosen += [tag for tag in await client.tags.resolve(keys or []) if tag not in chosen]
    if not chosen:
        message = "no tag is chosen: give --tag KEY, --asset PATH or --all"
        raise TransferError(message)
    return chosen


def _span(start: str, end: str) -> tuple[int, int]:
    now = time.time_ns()
    try:
        begin, stop = (parse_asked_time(spoken(text, now), now) for text in (start, end))
    except ValueError as error:
        raise TransferError(str(error)) from None
    if begin >= stop:
        message = f"--start {start} does not lie before --end {end}"
        raise TransferError(message)
    return begin, stop


def _wanted(tags: list[Tag], start: str, end: str, format_: str) -> Wanted:
    begin, stop = _span(start, end)
    if format_ not in FORMATS:
        message = f"--format {format_}: it is one of {', '.join(FORMATS)}"
        raise TransferError(message)
    return Wanted(tags, begin, stop, format_)


def _run(work: Coroutine[Any, Any, None]) -> None:
    async def main() -> None:
        await work

    try:
        anyio.run(main)
    except (ClientError, OSError) as failed:
        _fail(failed)
    except KeyboardInterrupt:
        sys.stderr.write("penstock history: stopped; the same command goes on from here\n")
        raise typer.Exit(130) from None


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def _fail(failed: Exception) -> NoReturn:
    notes = "".join(f"\n  {note}" for note in getattr(failed, "__notes__", ()))
    sys.stderr.write(f"penstock history: {failed}{notes}\n")
    raise typer.Exit(1) from None
