"""History faster than real time: stamps, columns, faults."""

from pathlib import Path

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from penstock.core.errors import PenstockError
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.generate import SCHEMA, PlannedFault, simulate, write_parquet
from penstock.simulators.models.fault import FaultError

S = 1_000_000_000
UNTIL = 1_795_404_000 * S
START = UNTIL - 300 * S
VIBRATION = frozenset({"pump-vibration"})


def run(out: Path, *faults: str, devices: frozenset[str] | None = None) -> int:
    planned = tuple(PlannedFault.parse(text) for text in faults)
    emissions = simulate(DEMO_PLANT, start_ns=START, until_ns=UNTIL, step_s=1.0, faults=planned, devices=devices)
    return write_parquet(emissions, out)


def test_stamps_end_at_the_moment_asked_for_and_each_row_has_one_value(tmp_path: Path) -> None:
    rows = run(tmp_path / "g.parquet")
    table = pq.read_table(tmp_path / "g.parquet")
    assert table.schema.equals(SCHEMA)
    assert rows == table.num_rows == pytest.approx(300 * 47.7, rel=0.05)
    assert pc.max(table["time"]).as_py() == UNTIL
    assert pc.min(table["time"]).as_py() > START
    filled = sum(pc.sum(pc.is_valid(table[name])).as_py() for name in ("vf", "vi", "vb", "vs"))
    assert filled == rows
    keys = set(table["key"].to_pylist())
    assert {"pump-plc/flow", "filling-line/state", "filling-line/state_name", "pump-plc/running"} <= keys
    flow = table.filter(pc.equal(table["key"], "pump-plc/flow"))
    assert 60 < pc.mean(flow["vf"].slice(100)).as_py() < 140  # m3/h as stored, not the l/min that the PLC speaks


def test_equal_runs_are_equal(tmp_path: Path) -> None:
    run(tmp_path / "a.parquet", devices=VIBRATION)
    run(tmp_path / "b.parquet", devices=VIBRATION)
    assert pq.read_table(tmp_path / "a.parquet").equals(pq.read_table(tmp_path / "b.parquet"))


def test_planned_fault_begins_at_its_moment(tmp_path: Path) -> None:
    run(tmp_path / "g.parquet", "pump-plc:bearing:at=150s,severity=0.5,growth=0", devices=VIBRATION)
    table = pq.read_table(tmp_path / "g.parquet")
    band = table.filter(pc.equal(table["key"], "pump-vibration/bearing_band"))
    before = band.filter(pc.less(band["time"], START + 150 * S))["vf"]
    after = band.filter(pc.greater(band["time"], START + 152 * S))["vf"]
    assert pc.max(before).as_py() < 2.5 < 6 < pc.min(after).as_py()


@pytest.mark.parametrize("text", ["bearing", "pump-plc:bearing:when=3h", "pump-plc:bearing:at=soon", "a:b:severity=x"])
def test_fault_that_cannot_be_read_shows_the_form(text: str) -> None:
    with pytest.raises(PenstockError, match=text.split(":", maxsplit=1)[0]):
        PlannedFault.parse(text)


def test_fault_of_an_unknown_device_names_those_there_are(tmp_path: Path) -> None:
    with pytest.raises(FaultError, match="devices with faults: energy-meter, filling-line, pump-plc"):
        run(tmp_path / "g.parquet", "pump-9:bearing")


def test_unknown_device_is_told(tmp_path: Path) -> None:
    with pytest.raises(PenstockError, match="not simulated there: nobody"):
        run(tmp_path / "g.parquet", devices=frozenset({"nobody"}))
