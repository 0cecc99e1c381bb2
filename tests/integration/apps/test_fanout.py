"""One process, several, and a real Dask cluster give the same findings and the same model, to the last bit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from typer.testing import CliRunner

from penstock.apps.maintenance import fanout
from penstock.apps.maintenance.backtest.command import commands
from penstock.apps.maintenance.detection.fitting import FitError
from penstock.apps.maintenance.fanout.executor import Executor, ExecutorError
from penstock.apps.maintenance.fanout.place import Place
from penstock.apps.maintenance.prognosis.fitting import fit
from penstock.apps.maintenance.prognosis.model import save
from penstock.apps.maintenance.prognosis.settings import PrognosisSettings
from penstock.lab.study import Stretch, Study, StudyAsset, channel_name, write_study
from tests.builders.fleets import FleetWish, fleet, names
from tests.builders.ports import free_port
from tests.builders.studies import write_detection_study

SMALL = PrognosisSettings(trees=8, learning_rate=0.25, rows_max=600, folds=2, leaf_rows=15, rungs_lives=(0.06, 0.2))
IN_PROCESSES = pytest.param("processes", marks=pytest.mark.integration, id="two processes")
ON_DASK = pytest.param("dask", marks=[pytest.mark.full, pytest.mark.timeout(600)], id="a Dask cluster")
APPS = Path(fanout.__file__).parents[2]


def local_cluster(workers: int = 2, **more: Any) -> Any:
    """Start a scheduler here and workers as processes."""
    from distributed import LocalCluster

    made: Any = LocalCluster
    return made(
        n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=":0", **more
    )


@contextmanager
def cluster_of_a_stranger(code: Path) -> Iterator[str]:
    """Start a scheduler and a worker that finds its modules in a folder of its own before ours; give the address."""
    from distributed import Client

    with local_cluster(workers=0) as cluster:
        address = str(cluster.scheduler_address)
        command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-dashboard", "--nthreads", "1"]
        worker = subprocess.Popen(
            [*command, "--no-nanny", "--local-directory", str(code / "spill")],
            env=os.environ | {"PYTHONPATH": str(code)},
        )
        try:
            client: Any = Client
            with client(address, set_as_default=False) as asking:
                asking.wait_for_workers(1, timeout=120)
            yield address
        finally:
            worker.terminate()
            worker.wait()


@pytest.fixture
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    if request.param == "processes":
        yield Place(jobs=2)
        return
    with local_cluster() as cluster:
        yield Place(dask=cluster.scheduler_address)


def backtest(study: Path, out: Path, place: Place, *words: str) -> str:
    options = ["--jobs", str(place.jobs), *(["--dask", place.dask] if place.dask else []), *words]
    done = CliRunner().invoke(commands, ["backtest", str(study), "--out", str(out), *options])
    assert done.exit_code == 0, done.output
    return done.output


def said(findings: Path) -> dict[str, Any]:
    tables = {place.name: pq.read_table(place).to_pydict() for place in sorted(findings.glob("*.parquet"))}
    return {"findings": (findings / "findings.json").read_text(), "tables": repr(tables)}


@pytest.mark.parametrize("place", [IN_PROCESSES, ON_DASK], indirect=True)
def test_a_backtest_finds_the_same_wherever_it_runs(tmp_path: Path, place: Place) -> None:
    write_detection_study(tmp_path / "study", machines=5)
    for where, name in ((Place(), "here"), (place, "there")):
        backtest(tmp_path / "study", tmp_path / name, where)
    assert said(tmp_path / "there") == said(tmp_path / "here")
    assert '"raised": true' in said(tmp_path / "here")["findings"]


@pytest.mark.parametrize("place", [IN_PROCESSES, ON_DASK], indirect=True)
def test_a_prognosis_is_the_same_wherever_it_is_fitted(tmp_path: Path, place: Place) -> None:
    runs = fleet(FleetWish(runs=8, life=60))
    digests: list[str] = []
    for where in (Place(), place):
        with where.executor() as executor:
            model = fit(runs, channels=names(runs), source="x", settings=SMALL, executor=executor)
        digests.append(save(model, tmp_path / f"{len(digests)}"))
    assert digests[0] == digests[1]


def stream_study(folder: Path) -> None:
    """Write one asset of which nothing is named healthy, in a study that asks for it."""
    times = np.arange(50) * 1_000_000_000
    table = pa.table({"time": times, channel_name(0): np.arange(50.0)})
    asset = StudyAsset("m000", (Stretch("watch", 0, 10**12),))
    write_study(folder, Study("detection", (asset,)), {"m000": table})


@pytest.mark.parametrize("place", [IN_PROCESSES, ON_DASK], indirect=True)
def test_what_is_wrong_with_an_item_is_said_as_it_is_here(tmp_path: Path, place: Place) -> None:
    stream_study(tmp_path / "study")
    options = ["--jobs", str(place.jobs), *(["--dask", place.dask] if place.dask else [])]
    done = CliRunner().invoke(commands, ["backtest", str(tmp_path / "study"), "--out", str(tmp_path / "o"), *options])
    assert done.exit_code == 1
    assert done.output.strip() == "m000: no row is named healthy (use: fit)"


def failing(_: int) -> None:
    message = "of its own"
    raise FitError(message)


@pytest.mark.integration
def test_an_items_error_comes_in_its_place() -> None:
    with Place(jobs=2).executor() as executor, pytest.raises(FitError, match="of its own"):
        list(executor.results(failing, range(3)))


def ended(_: int) -> None:
    os._exit(9)


@pytest.mark.integration
def test_a_process_that_is_killed_is_told() -> None:
    with Place(jobs=2).executor() as executor, pytest.raises(ExecutorError, match="try fewer"):
        list(executor.results(ended, range(3)))


def connected(address: str) -> Executor:
    with Place(dask=address).executor() as executor:
        return executor


@pytest.mark.full
def test_a_cluster_that_does_not_answer_is_told() -> None:
    with pytest.raises(ExecutorError, match="no Dask scheduler answers"):
        connected(f"tcp://127.0.0.1:{free_port()}")


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_worker_of_another_version_is_told_and_does_no_work(tmp_path: Path) -> None:
    shutil.copytree(APPS, tmp_path / "penstock" / "apps")
    rows = tmp_path / "penstock" / "apps" / "maintenance" / "rows.py"
    rows.write_text(rows.read_text() + "\n# of another version\n")
    with (
        cluster_of_a_stranger(tmp_path) as address,
        pytest.raises(ExecutorError, match="other software: penstock maintenance"),
    ):
        connected(address)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_worker_without_the_app_is_told(tmp_path: Path) -> None:
    (tmp_path / "penstock" / "apps" / "maintenance").mkdir(parents=True)
    for folder in ("", "maintenance"):
        (tmp_path / "penstock" / "apps" / folder / "__init__.py").write_text("")
    with (
        cluster_of_a_stranger(tmp_path) as address,
        pytest.raises(ExecutorError, match="cannot run Penstock's analytics"),
    ):
        connected(address)


@pytest.mark.full
@pytest.mark.timeout(600)
def test_a_cluster_is_reached_by_tls_with_certificates_and_not_without(tmp_path: Path) -> None:
    from distributed import Security

    temporary: Any = Security.temporary
    security, files = temporary(), {}
    for name, text in (
        ("ca", security.tls_ca_file),
        ("cert", security.tls_client_cert),
        ("key", security.tls_client_key),
    ):
        files[name] = tmp_path / f"{name}.pem"
        files[name].write_text(text)
    with local_cluster(security=security) as cluster:
        address = cluster.scheduler_address
        assert address.startswith("tls://")
        with Place(1, address, files["ca"], files["cert"], files["key"]).executor() as executor:
            assert list(executor.results(abs, [-1, 2])) == [1, 2]
        with pytest.raises(ExecutorError, match="no Dask scheduler answers"):
            connected(address.replace("tls://", "tcp://"))
