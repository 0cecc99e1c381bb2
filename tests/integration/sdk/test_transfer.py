"""`penstock history` on the real platform: out and in again bit for bit, and whole though both ends are killed."""

import json
import random
import subprocess
import time
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner, Result

from penstock.sdk import AsyncClient, Client, ForbiddenError, NotFoundError
from penstock.sdk.frames import write_arrow
from penstock.sdk.history_cli import commands
from penstock.sdk.transfer.exporting import PARQUET, Exporter, Wanted
from penstock.sdk.transfer.layout import SAMPLES
from tests.builders import web
from tests.builders.sdk import PUMP, operator, real_platform, register_calc
from tests.builders.stack import BIN, Stack

DAY = "170000000000000000"
"""An integer time in ns without its last digit."""
pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

BEGIN = 1_700_000_000_000_000_000
TYPES = {"flow": "float64", "count": "int64", "on": "bool", "mode": "string"}


def declare(stack: Stack) -> dict[str, str]:
    """Make the four tags, owned by the app calc; give their keys."""
    with Client(stack.url("platform"), credentials=register_calc(stack)) as calc:
        return {name: calc.declare_tag(asset=PUMP, property=name, type=kind).key for name, kind in TYPES.items()}


def history(stack: Stack, *words: str, check: bool = True) -> Result:
    """Run `penstock history …` with the operator's credential, in this process: another would cost 1 s of CPU."""
    done = CliRunner().invoke(commands, [*words, *options(stack)])
    assert done.exit_code == 0 or not check, done.output
    return done


def command(stack: Stack, *words: str) -> list[str]:
    """Give the same command for a process that can be killed."""
    return [str(BIN / "penstock"), "history", *words, *options(stack)]


def options(stack: Stack) -> list[str]:
    return ["--platform", stack.url("platform"), "--data", str(stack.folder)]


def rows_of(keys: dict[str, str]) -> pa.Table:
    """Give the values that are lost first: NaN with a payload, -0.0, infinities, the widest integer, empty text."""
    odd_nan = np.array([0x7FF8_0000_0000_BEEF], np.uint64).view(np.float64)[0]
    floats: list[Any] = [0.1, -0.0, 0.0, float("inf"), float("-inf"), 5e-324, odd_nan, None]
    texts: list[Any] = ["", 'a,b\n"c"', "Überdruck", None]
    rows: list[tuple[Any, ...]] = []
    for place, value in enumerate(floats):
        rows.append((keys["flow"], BEGIN + place, 0 if value is not None else 0x80310000, value, None, None, None))
    for place, number in enumerate([0, -1, 2**63 - 1, -(2**63) + 1]):
        rows.append((keys["count"], BEGIN + 10 + place, 0x40000000, None, number, None, None))
    for place, state in enumerate([True, False]):
        rows.append((keys["on"], BEGIN + 20 + place, 0, None, None, state, None))
    for place, text in enumerate(texts):
        rows.append((keys["mode"], BEGIN + 30 + place, 0, None, None, None, text))
    columns = zip(*rows, strict=True)
    return pa.table([pa.array(c, f.type) for c, f in zip(columns, PARQUET, strict=True)], schema=PARQUET)


def bits(table: pa.Table) -> list[tuple[Any, ...]]:
    """Give rows in which floats are their bits."""
    vf = table.column("vf").combine_chunks()
    raw = np.where(vf.is_valid(), vf.fill_null(0.0).to_numpy(zero_copy_only=False).view(np.int64), -1)
    columns = [table.column(name).to_pylist() for name in ("key", "time", "status", "vi", "vb", "vs")]
    return sorted(zip(*columns, raw.tolist(), strict=True), key=repr)


def exported(folder: Path) -> pa.Table:
    return pa.concat_tables(pq.read_table(path) for path in sorted(folder.glob("part-*.parquet")))


def test_history_goes_out_and_in_bit_for_bit(tmp_path: Path) -> None:
    with real_platform(tmp_path / "one") as stack:
        keys = declare(stack)
        source = rows_of(keys)
        pq.write_table(source, tmp_path / "in.parquet")
        assert "18 samples: 18 stored" in history(stack, "import", str(tmp_path / "in.parquet")).stdout
        span = ["--asset", PUMP, "--start", str(BEGIN), "--end", str(BEGIN + 100)]
        history(stack, "export", str(tmp_path / "parquet"), *span)
        history(stack, "export", str(tmp_path / "csv"), "--format", "csv", *span)
        with operator(stack) as client:
            audit = client.portal.call(client._client.transport.json, "GET", "/v1/audit")
    assert bits(exported(tmp_path / "parquet")) == bits(source)
    assert [entry["detail"]["stored"] for entry in audit["items"] if entry["action"] == "samples.import"] == [18]

    with real_platform(tmp_path / "two") as stack:
        declare(stack)
        history(stack, "import", str(tmp_path / "csv"))
        again = history(stack, "import", str(tmp_path / "parquet"))
        history(stack, "export", str(tmp_path / "out"), *span)
    # All is there already but for the NaN, whose payload a text cannot carry: another value, so it is kept beside.
    assert "1 stored, 17 there already" in again.stdout
    nan = [row for row in bits(exported(tmp_path / "out")) if row[1] == BEGIN + 6]
    assert len(nan) == 2
    assert [row for row in bits(exported(tmp_path / "out")) if row not in nan] == [
        row for row in bits(source) if row[1] != BEGIN + 6
    ]


def test_command_says_whether_all_is_safely_stored_and_ends_accordingly(tmp_path: Path) -> None:
    with real_platform(tmp_path / "one") as stack:
        key = declare(stack)["flow"]
        said = history(stack, "safe", "2h-ago", "--tag", key)
        assert said.stdout.startswith(f"Yes: the data of {key} is safely stored up to")
        assert f"  {key}: yes, newest sample none" in said.stdout
        for words, code, says in (
            (["--gateway", "nobody"], 1, "nobody"),
            (["half past ten"], 1, "write 10:32"),
            (["2199-01-01 00:00", "--tag", key], 3, "That time is still to come."),
        ):
            ended = history(stack, "safe", *words, check=False)
            assert (ended.exit_code, says in ended.stdout + ended.stderr) == (code, True), ended


def test_an_import_is_whole_though_it_and_the_platform_are_killed(tmp_path: Path) -> None:
    chance = random.Random(7)
    count = 300_000
    with real_platform(tmp_path / "one") as stack:
        key = declare(stack)["count"]
        table = pa.table(
            {"key": [key] * count, "time": BEGIN + np.arange(count), "vi": np.arange(count), "status": [0] * count}
        )
        path = tmp_path / "big.parquet"
        pq.write_table(table, path, row_group_size=70_000)
        progress = tmp_path / "big.parquet.import.json"
        for kill in range(2):
            with subprocess.Popen(command(stack, "import", str(path)), stdout=subprocess.DEVNULL) as process:
                before = progress.read_text() if progress.exists() else ""
                while process.poll() is None and (not progress.exists() or progress.read_text() == before):
                    time.sleep(0.005)
                time.sleep(chance.uniform(0, 0.2))
                if kill == 1:
                    stack.kill("platform")
                    stack.start("platform")
                process.kill()
        told = history(stack, "import", str(path)).stdout
        assert f"{count} rows, {count} samples: {count} stored, 0 there already" in told
        assert history(stack, "import", str(path)).stdout.startswith("big.parquet: whole already")
        broken = tmp_path / "out"
        with subprocess.Popen(command(stack, "export", str(broken), "--tag", key, "--start", str(BEGIN))) as process:
            while process.poll() is None and not list(broken.glob("part-*.parquet")):
                time.sleep(0.002)
            process.kill()
        history(stack, "export", str(broken), "--tag", key, "--start", str(BEGIN))
    assert exported(broken).column("vi").to_pylist() == list(range(count))
    assert json.loads((broken / "export.json").read_text())["rows"] == count


def test_what_cannot_be_imported_is_named_and_the_rest_goes_in(tmp_path: Path) -> None:
    with real_platform(tmp_path / "one") as stack:
        keys = declare(stack)
        path = tmp_path / "wide.csv"
        path.write_text(f"time,a,b\n{DAY}1,1.5,x\n{DAY}2,high,y\n{DAY}3,2.5,z\n", encoding="utf-8")
        unknown = history(stack, "import", str(path), check=False)
        assert unknown.exit_code == 1
        assert "no tag with the key 'a', 'b'" in unknown.stderr
        mapped = ["--map", f"a={keys['flow']}", "--map", f"b={keys['mode']}"]
        wrong = history(stack, "import", str(path), *mapped, check=False)
        assert "row 2: a: 'high' is no float64" in wrong.stderr
        rejects = tmp_path / "rejects.csv"
        told = history(stack, "import", str(path), *mapped, "--rejects", str(rejects)).stdout
        assert "5 samples: 5 stored, 0 there already, 1 rows set aside" in told
        assert rejects.read_text().splitlines() == ["row,reason", "2,\"a: 'high' is no float64, the type of this tag\""]
        path.write_text(f"time,a,b\n{DAY}1,1.5,x\n", encoding="utf-8")
        changed = history(stack, "import", str(path), *mapped, check=False)
        assert "--restart" in changed.stderr
        assert "0 stored, 2 there already" in history(stack, "import", str(path), *mapped, "--restart").stdout
        summary = web.get(
            f"{stack.url('platform')}/v1/ledger/summary", headers=bearer(stack), params={"start": "0"}
        ).json()
        assert (summary["stored"], summary["duplicates"], summary["late"]) == (5, 2, 0)


def test_history_is_replaced_there_and_back_and_deleted(tmp_path: Path) -> None:
    with real_platform(tmp_path / "one") as stack:
        key = declare(stack)["flow"]
        a, b = tmp_path / "a.csv", tmp_path / "b.csv"
        a.write_text(f"key,time,value\n{key},{DAY}1,1.5\n{key},{DAY}2,2.5\n", encoding="utf-8")
        b.write_text(f"key,time,value\n{key},{DAY}2,9.5\n", encoding="utf-8")
        history(stack, "import", str(a))
        assert "1 stored, 0 there already, 1 replaced" in history(stack, "import", "--replace", str(b)).stdout
        changed = history(stack, "import", "--replace", str(a), check=False)
        assert "--restart" in changed.stderr, "the plain import of a is whole, this is another one"
        told = history(stack, "import", "--replace", "--restart", str(a)).stdout
        assert "1 stored, 1 there already, 1 replaced" in told
        assert "1 replaced" in history(stack, "import", "--replace", "--restart", str(b)).stdout
        again = history(stack, "import", "--replace", "--restart", str(a)).stdout
        assert "1 stored, 1 there already, 1 replaced" in again, "no answer of the first run is repeated"
        span = ["--tag", key, "--start", f"{DAY}2", "--end", f"{DAY}3"]
        refused = history(stack, "delete", *span, check=False)
        assert "give --yes" in refused.stderr
        assert "1 sample deleted" in history(stack, "delete", *span, "--yes", "--reason", "test").stdout
        history(stack, "export", str(tmp_path / "out"), "--tag", key, "--start", "0", "--end", "now")
        with operator(stack) as client:
            audit = client.portal.call(client._client.transport.json, "GET", "/v1/audit")
    assert exported(tmp_path / "out").column("vf").to_pylist() == [1.5]
    noted = [(entry["action"], entry["detail"].get("erased")) for entry in reversed(audit["items"])]
    assert [each for each in noted if each[0].startswith("samples.")] == [
        ("samples.import", 0),
        *[("samples.replace", 1)] * 4,
        ("samples.delete", None),
        ("samples.deleted", 1),
    ]


def bearer(stack: Stack) -> dict[str, str]:
    credential = json.loads((stack.folder / "secrets" / "cli.json").read_text())
    form = {"grant_type": "client_credentials", **credential}
    token = web.post(f"{stack.url('platform')}/oauth/token", data=form).json()["access_token"]
    return {"Authorization": f"Bearer {token}"}


async def test_an_import_needs_its_scope_and_a_tag_of_the_tenant(tmp_path: Path) -> None:
    body = write_arrow(pa.table([[999], [BEGIN], [0], [1.0], [None], [None], [None]], schema=SAMPLES))
    with real_platform(tmp_path) as stack:
        async with AsyncClient(stack.url("platform"), credentials=register_calc(stack)) as app:
            with pytest.raises(ForbiddenError, match="samples:import"):
                await app.writing.import_arrow(body, idempotency_key="k")
        async with AsyncClient(stack.url("platform"), credentials=stack.folder / "secrets" / "cli.json") as client:
            with pytest.raises(NotFoundError):
                await client.writing.import_arrow(body, idempotency_key="k")
            tag = await client.declare_tag(asset=PUMP, property="flow")
            empty = await Exporter(client, tmp_path / "none", Wanted([tag], BEGIN, BEGIN + 1)).run()
        assert empty == 0
