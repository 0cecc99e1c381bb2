"""Score the findings of a detection against the truth, by the rule of the set: rows, events or windows.

rows: share of faulty rows above the limit, and of healthy ones. events: faults in which an alarm starts. windows: the
Numenta score (Lavin and Ahmad 2015), `windows.py`. No row is adjusted, no threshold is chosen on what is scored.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from penstock.lab.detection_truth import AssetTruth, DetectionTruth
from penstock.lab.public_scores.windows import Windowed, normalised, window_score
from penstock.lab.study import Study, StudyAsset, StudyError

HOUR_NS: Final = 3_600_000_000_000


@dataclass(frozen=True, slots=True)
class Found:
    """What was said of the watched rows of an asset: times, scores, alarm standing (n,), times of raised alarms."""

    times_ns: NDArray[np.int64]
    scores: NDArray[np.float64]
    active: NDArray[np.bool_]
    raised_ns: tuple[int, ...]


Figures = dict[str, float]


def score(findings: Path, study: Study, truth: DetectionTruth) -> tuple[Figures, list[tuple[str, Figures]]]:
    """Give the figures over all assets and those of each, by its label; StudyError where findings are missing."""
    found = {asset.name: _found(findings, asset) for asset in study.assets}
    if truth.rule not in RULES:
        message = f"no rule {truth.rule!r}; there is: {', '.join(RULES)}"
        raise StudyError(message)
    return RULES[truth.rule](found, truth.assets)


def _found(findings: Path, asset: StudyAsset) -> Found:
    try:
        table = pq.read_table(findings / f"{asset.name}.parquet", columns=["time", "score", "active"])
        body = json.loads((findings / "findings.json").read_text(encoding="utf-8"))
        alarms = next(each["alarms"] for each in body["assets"] if each["name"] == asset.name)
    except (OSError, KeyError, StopIteration, ValueError, pa.ArrowException) as error:
        message = f"{findings}: no findings of {asset.name}: {error!r}"
        raise StudyError(message) from error
    times = table["time"].to_numpy()
    watched = np.zeros(len(times), np.bool_)
    for stretch in asset.stretches:
        if stretch.use == "watch":
            watched |= (times >= stretch.start_ns) & (times < stretch.end_ns)
    scores = np.nan_to_num(table["score"].to_numpy(zero_copy_only=False).astype(np.float64))
    active = table["active"].to_numpy(zero_copy_only=False)
    raised = tuple(int(alarm["time_ns"]) for alarm in alarms if alarm["raised"])
    return Found(times[watched], scores[watched], active[watched], raised)


def _faulty(found: Found, truth: AssetTruth) -> NDArray[np.bool_]:
    inside = np.zeros(len(found.times_ns), np.bool_)
    for start_ns, end_ns in truth.faults:
        inside |= (found.times_ns >= start_ns) & (found.times_ns < end_ns)
    return inside


def by_rows(found: Mapping[str, Found], truth: Mapping[str, AssetTruth]) -> tuple[Figures, list[tuple[str, Figures]]]:
    """Pool rows: detection over the faulty ones of scored assets, false alarms over the healthy ones of all."""
    each, faulty_rows, healthy_rows = [], [], []
    for name, of_asset in truth.items():
        said = np.column_stack([found[name].scores > 1, found[name].active])
        faulty = _faulty(found[name], of_asset)
        healthy_rows.append(said[~faulty])
        if of_asset.scored:
            faulty_rows.append(said[faulty])
        row, alarm = said[faulty].mean(axis=0)
        false_row, false_alarm = said[~faulty].mean(axis=0)
        figures = {"detected": row, "false": false_row, "alarm_detected": alarm, "alarm_false": false_alarm}
        each.append((of_asset.label, figures))
    hit, miss = np.concatenate(faulty_rows).mean(axis=0), np.concatenate(healthy_rows).mean(axis=0)
    total = {"detected": hit[0], "false": miss[0], "alarm_detected": hit[1], "alarm_false": miss[1]}
    return {key: float(value) for key, value in total.items()}, each


def by_events(found: Mapping[str, Found], truth: Mapping[str, AssetTruth]) -> tuple[Figures, list[tuple[str, Figures]]]:
    """Count faults in which an alarm starts, assets with an alarm before, and episodes that start elsewhere."""
    each, rows = [], []
    for name, of_asset in truth.items():
        own = found[name]
        caught = [any(a <= t < b for t in own.raised_ns) for a, b in of_asset.faults]
        false = [t for t in own.raised_ns if not any(a <= t < b for a, b in of_asset.faults)]
        first = min((a for a, _ in of_asset.faults), default=2**63 - 1)
        faulty = _faulty(own, of_asset)
        rows.append(np.column_stack([faulty, own.active]))
        steps = np.diff(own.times_ns, append=own.times_ns[-1])
        figures = {
            "faults": float(len(caught)),
            "caught": float(sum(caught)),
            "early": float(any(t < first for t in false)),
            "false": float(len(false)),
            "healthy_h": float(steps[~faulty].sum()) / HOUR_NS,
            "watched_h": float(steps.sum()) / HOUR_NS,
        }
        each.append((of_asset.label, figures))
    total = {key: sum(figures[key] for _, figures in each) for key in each[0][1]}
    total["false_per_h"] = total["false"] / total["watched_h"]
    total["false_per_healthy_h"] = total["false"] / total["healthy_h"]
    return total | _point_wise(np.concatenate(rows)), each


def _point_wise(rows: NDArray[np.bool_]) -> Figures:
    """Give F1, false alarm and missed alarm rate of rows (faulty, alarm): beside the events, never instead of them."""
    faulty, said = rows[:, 0], rows[:, 1]
    hit, false, missed = (int((a & b).sum()) for a, b in ((faulty, said), (~faulty, said), (faulty, ~said)))
    f1 = 2 * hit / max(2 * hit + false + missed, 1)
    return {"F1": f1, "FAR": false / max(int((~faulty).sum()), 1), "MAR": missed / max(int(faulty.sum()), 1)}


def by_windows(
    found: Mapping[str, Found], truth: Mapping[str, AssetTruth]
) -> tuple[Figures, list[tuple[str, Figures]]]:
    """Give the Numenta score of the standard profile, each raised alarm a detection."""
    each: list[tuple[str, Windowed]] = []
    for name, of_asset in truth.items():
        times = found[name].times_ns
        at = np.searchsorted(times, np.array(found[name].raised_ns, np.int64))
        windows = [
            (int(np.searchsorted(times, start)), int(np.searchsorted(times, end)) - 1) for start, end in of_asset.faults
        ]
        each.append((of_asset.label, window_score(len(times), windows, at.tolist())))
    scored = [one for _, one in each]
    total = {
        "score": normalised(scored),
        "windows": float(sum(one.windows for one in scored)),
        "caught": float(sum(one.caught for one in scored)),
        "false": float(sum(one.false for one in scored)),
    }
    return total, [(label, one.figures()) for label, one in each]


Rule = Callable[[Mapping[str, Found], Mapping[str, AssetTruth]], tuple[Figures, list[tuple[str, Figures]]]]
RULES: Final[dict[str, Rule]] = {"rows": by_rows, "events": by_events, "windows": by_windows}
