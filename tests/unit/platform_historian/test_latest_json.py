"""The newest samples as JSON: what is written in columns reads back as what plain Python makes of each row."""

import json
import random

import numpy as np
import pyarrow as pa
import pytest

from penstock.core.status import quality
from penstock.platform.historian.api.latest import latest_json
from penstock.platform.historian.api.schemas import LatestPage
from penstock.platform.historian.api.wire import json_value
from penstock.platform.historian.ports import LatestSample
from penstock.platform.historian.writing.newest import BIRTH_NEWEST, Newest
from penstock.platform.registry.service import TagRef
from tests.builders.historian import NOON_NS, SECOND_NS, Sample, rows_of

NOW_NS = NOON_NS + 10 * SECOND_NS
ODD_TEXTS = ('quote " here', '","', 'end\\","tag":1}\n{', "läuft\t😀", "", "null", "\\", "\x00\x1f")
ODD_NUMBERS = (0.1, -0.0, 1e300, 5e-324, float("nan"), float("inf"), float("-inf"), 2**63 - 1, -(2**63), True, False)
CODES = (0, 0x4000_0000, 0x8031_0000, 0xFFFF_FFFF)


def newest_of(samples: list[Sample], chance: random.Random) -> Newest:
    rows, newest = rows_of(samples), Newest()
    arrival = np.array([sample[1] + chance.choice((0, 5, 90)) * SECOND_NS for sample in samples], np.int64)
    for column in (np.arange(len(samples)), np.zeros(len(samples), np.int64), arrival, arrival + 7):
        rows = rows.append_column(BIRTH_NEWEST.names[rows.num_columns], pa.array(column, pa.int64()))
    newest.take(rows.cast(BIRTH_NEWEST), np.zeros(len(samples), np.bool_))
    newest.take_future_spans(np.array([samples[0][0]]), np.array([2**62]), np.array([2**62]))
    return newest


def told(tag: TagRef, sample: LatestSample | None) -> dict[str, object]:
    if sample is None:
        return {"time": None, "value": None, "status": 0x8032_0000, "quality": "bad", "arrival": None, "age_s": None,
                "position": None, "late": False, "future": False}  # fmt: skip
    late = tag.late_after_ns is not None and sample.arrival_gateway_ns - sample.time > tag.late_after_ns
    return {
        "time": f"{np.datetime64(sample.time, 'ns')}Z",
        "value": json_value(sample.value),
        "status": sample.status,
        "quality": quality(sample.status).value,
        "arrival": f"{np.datetime64(sample.arrival_platform_ns, 'ns')}Z",
        "age_s": (NOW_NS - sample.time) / 1e9,
        "position": sample.position,
        "late": late,
        "future": sample.newer_is_future,
    }


@pytest.mark.parametrize("seed", range(12))
def test_the_page_is_what_each_row_says(seed: int) -> None:
    chance = random.Random(seed)
    values = (*ODD_NUMBERS, *ODD_TEXTS, None) if seed % 2 else (1.5, 20.0, float("nan"))
    samples: list[Sample] = [
        (tag, NOON_NS - chance.randrange(10**18), chance.choice(CODES), chance.choice(values))
        for tag in chance.sample(range(1, 60), k=chance.randint(1, 40))
    ]
    newest = newest_of(samples, chance)
    asked = chance.sample(range(1, 70), k=chance.randint(1, 69)) if seed % 3 else [sample[0] for sample in samples]
    limits = (None, 0, 60 * SECOND_NS)
    tags = {tag: TagRef(tag, f"plc/{chance.choice(ODD_TEXTS)}{tag}", "float64", "tnt_a", "gtw_a",
                        chance.choice(limits), None, None) for tag in asked}  # fmt: skip
    page = latest_json(tags, newest.table(asked), NOW_NS)
    found = {sample.tag: sample for sample in newest.latest(asked)}
    expected = [{"tag": tag.id, "key": tag.key, **told(tag, found.get(tag.id))} for tag in tags.values()]
    assert json.loads(page) == json.loads(json.dumps({"items": expected}))
    assert [type(item["value"]) for item in json.loads(page)["items"]] == [type(item["value"]) for item in expected]
    LatestPage.model_validate_json(page)


def test_a_page_of_no_tags_is_empty() -> None:
    assert json.loads(latest_json({}, Newest().table([]), NOW_NS)) == {"items": []}
