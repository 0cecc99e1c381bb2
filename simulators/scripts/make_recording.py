"""Make the recording that ships: twenty minutes of the demo plant's pump, its bearing failing after seven.

Run: python simulators/scripts/make_recording.py
"""

import csv
from pathlib import Path

from penstock.core.times import format_rfc3339_ns, parse_rfc3339_ns
from penstock.simulators.demo_plant import DEMO_PLANT
from penstock.simulators.generate import PlannedFault, simulate
from penstock.simulators.recordings import SHIPPED

START_NS = parse_rfc3339_ns("2026-03-02T06:00:00Z")
LENGTH_S, FAULT_S = 1200, 420
COLUMNS = {
    "Vibration velocity": "pump-vibration/velocity_rms",
    "Bearing band": "pump-vibration/bearing_band",
    "Kurtosis": "pump-vibration/kurtosis",
    "Bearing temperature": "pump-plc/bearing_temperature",
    "Power": "pump-plc/power",
    "Flow": "pump-plc/flow",
    "Discharge pressure": "pump-plc/discharge_pressure",
    "Speed": "pump-plc/speed",
}


def main() -> None:
    """Write pump-bearing.csv."""
    fault = PlannedFault.parse(f"pump-plc:bearing:at={FAULT_S}s,severity=0.1,growth=3.5")
    rows: dict[int, dict[str, str]] = {}
    begin = START_NS - 60 * 10**9  # a minute to come up to speed
    for emission in simulate(
        DEMO_PLANT, start_ns=begin, until_ns=START_NS + LENGTH_S * 10**9, step_s=0.5, faults=(fault,)
    ):
        if emission.time_ns % 10**9 == 0 and emission.time_ns > START_NS:
            row = rows.setdefault(emission.time_ns, {})
            row.update(
                {
                    f"{emission.device}/{point.tag}": f"{point.value:.5g}"
                    for point in emission.points
                    if isinstance(point.value, float)
                }
            )
    with Path(SHIPPED / "pump-bearing.csv").open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["time", *COLUMNS, "anomaly"])
        for time_ns, row in sorted(rows.items()):
            stamp = format_rfc3339_ns(time_ns).replace(".000000000", "")
            broken = int(time_ns - begin > FAULT_S * 10**9)
            writer.writerow([stamp, *(row[key] for key in COLUMNS.values()), broken])


if __name__ == "__main__":
    main()
