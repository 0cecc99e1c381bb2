"""An asset with a healthy stretch is judged by all its channels: as offline, at any speed, also after restarts."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from penstock.apps.maintenance import watch as watching
from penstock.apps.maintenance.advice.telling import PART, URGENCY
from penstock.apps.maintenance.checkpoint import Checkpoint, Checkpoints
from penstock.apps.maintenance.detection.detector import Detector
from penstock.apps.maintenance.detection.fitting import Rows, fit
from penstock.apps.maintenance.rowjudge import ANOMALY, SCORE, RowJudge
from penstock.apps.maintenance.state import fitting
from penstock.apps.maintenance.worker import FIT_AGAIN_NS
from penstock.core.times import format_rfc3339_ns
from tests.builders.apps import SECOND, START_NS
from tests.builders.named_healthy import ALL, CHANNELS, FAULT, HEALTHY, PATH, Plant, named_healthy


async def test_it_says_what_the_same_code_says_offline(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
    model = fit(plant.rows.part(0, HEALTHY), channels=[f"ch{i:02d}" for i in range(CHANNELS)], source="x")
    judged = Detector(model).on_rows(plant.rows.times_ns, plant.rows.values)
    scores = zip(plant.rows.times_ns[HEALTHY:].tolist(), judged.scores[HEALTHY:].tolist(), strict=True)
    assert plant.series(SCORE) == list(scores)
    assert [active for _, active in plant.series(ANOMALY)] == judged.active[HEALTHY:].astype(float).tolist()
    assert judged.active[FAULT.start + 20]
    assert not judged.active[HEALTHY : FAULT.start].any()


@pytest.mark.parametrize("step", [1, 37, 200, ALL], ids=lambda step: f"{step} rows a batch")
async def test_every_speed_raises_the_same_alarm_once(tmp_path: Path, step: int) -> None:
    plant, whole = Plant(tmp_path / "steps"), Plant(tmp_path / "whole")
    async with whole.client() as client:
        whole.feed(0, ALL)
        await whole.run(client)
    async with plant.client() as client:
        for first in range(0, ALL, step):
            plant.feed(first, min(first + step, ALL))
            if step > 1 or first % 50 == 0:
                await plant.run(client)
            if first % 5 == 0:
                plant.restart()
        await plant.run(client)
    assert len(whole.raised()) == 1
    assert plant.raised() == whole.raised()
    assert plant.series(SCORE) == whole.series(SCORE)
    assert plant.series("loss_ch02") == whole.series("loss_ch02")
    for name in (PART, URGENCY):
        assert [said[:2] for said in plant.texts(name)] == [said[:2] for said in whole.texts(name)]


async def test_the_part_suspected_stands_where_the_alarm_begins(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    gear = {"part": "gear box", "signs": {"ch02": "rises"}, "action": "Open it"}
    plant.fake.add_type("gear-drive", failure_modes={"tooth": gear})
    (asset,) = plant.fake.state.assets.values()
    asset |= {"type": "gear-drive", "type_revision": 1}
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
    anomaly = [(r.time, r.position) for r in plant.rows_of(ANOMALY) if r.value == 1.0]
    first, second, *_ = plant.texts(PART)
    assert first[:2] == (plant.rows.times_ns[HEALTHY], "")
    assert second[1] == "gear box"
    assert (second[0], second[2]) == anomaly[0]
    assert plant.texts(URGENCY)[1][0] == anomaly[0][0]
    assert plant.texts(PART)[-1][1] == ""


async def test_without_failure_modes_the_one_channel_that_moves_is_its_sensor(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, FAULT.stop)
        await plant.run(client)
    assert plant.texts(PART)[1][1] == "sensor:ch02"
    (watch,) = plant.fleet.watches.values()
    assert watch.newest is not None
    assert watch.newest.diagnosis is not None
    assert watch.newest.diagnosis.part == "sensor:ch02"


async def test_what_its_type_says_is_asked_for_has_no_sensor_that_breaks(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.fake.add_type("drive", properties={"ch02": {"kind": "measurement", "type": "float64", "signal": "demand"}})
    (asset,) = plant.fake.state.assets.values()
    asset |= {"type": "drive", "type_revision": 1}
    async with plant.client() as client:
        plant.feed(0, FAULT.stop)
        await plant.run(client)
    assert plant.texts(PART)[1][1] == "unknown"


@pytest.mark.parametrize("step", [20, 200], ids=lambda step: f"{step} rows a commit")
async def test_messages_that_are_sent_again_behind_newer_ones_move_no_alarm(tmp_path: Path, step: int) -> None:
    plant, whole = Plant(tmp_path / "again"), Plant(tmp_path / "whole")
    async with whole.client() as client:
        whole.feed(0, ALL)
        await whole.run(client)
    lost = {0, FAULT.start + 3, FAULT.start + 5, *np.random.default_rng(step).choice(ALL, 30).tolist()}
    async with plant.client() as client:
        for first in range(0, ALL, step):
            rows = range(first, min(first + step, ALL))
            plant.feed_messages(row for row in rows if row not in lost)
            await plant.run(client)
            plant.now_ns += 2 * SECOND
            plant.feed_messages(row for row in rows if row in lost)
            await plant.run(client)
    assert len(whole.raised()) == 1
    assert plant.raised() == whole.raised()
    assert plant.series(SCORE) == whole.series(SCORE)


async def test_a_stretch_with_holes_is_fitted_on_once_nothing_more_comes(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed_messages(row for row in range(HEALTHY + 20) if row not in (100, 101))
        await plant.run(client)
        assert plant.fleet.watches == {}
        assert "still come" in next(iter(plant.fleet.unfit.values()))
        plant.feed_messages([100])
        plant.now_ns += 16 * SECOND
        await plant.run(client)
        assert plant.fleet.watches == {}
        plant.now_ns += 16 * SECOND
        await plant.run(client)
    (watch,) = plant.fleet.watches.values()
    used = plant.fleet.artefacts.used(watch.asset.id)
    assert used is not None
    assert used.model.fitted_on.fit_rows + used.model.fitted_on.limit_rows == HEALTHY - 1


async def test_the_channel_at_fault_loses_most_of_the_points(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, FAULT.stop)
        await plant.run(client)
    (watch,) = plant.fleet.watches.values()
    assert watch.newest is not None
    assert max(watch.newest.findings, key=lambda f: f.loss).channel.name == "ch02"
    assert watch.newest.health < 60


async def test_a_device_that_waits_for_its_first_data_hides_nothing(tmp_path: Path) -> None:
    plant, waiting = Plant(tmp_path), 0x80320000
    async with plant.client() as client:
        for i in range(CHANNELS):
            plant.fake.feed(f"asset-7f3a/ch{i:02d}", [(plant.now_ns - SECOND, 0.0, waiting)])
        plant.feed(0, 100)
        await plant.run(client)
        assert plant.fleet.watches == {}
        plant.feed(100, ALL)
        await plant.run(client)
    assert [t for t, _ in plant.series(SCORE)] == plant.rows.times_ns[HEALTHY:].tolist()


async def test_nothing_is_said_before_the_healthy_stretch_is_whole(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, HEALTHY - 1)
        await plant.run(client)
        assert plant.fleet.watches == {}
        plant.feed(HEALTHY - 1, HEALTHY + 40)
        await plant.run(client)
    assert plant.series(SCORE)[0][0] == START_NS + HEALTHY * SECOND


async def test_another_stretch_is_another_version(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, 400)
        await plant.run(client)
        (asset,) = await client.assets.list()
        until = format_rfc3339_ns(START_NS + 350 * SECOND)
        old = {p.name: p.value for p in asset.properties if p.kind == "attribute"}
        await client.assets.update(asset.id, attributes=old | {"healthy_until": until})
        await plant.run(client)
        plant.feed(400, ALL)
        await plant.run(client)
    assert sorted(f.name for f in (tmp_path / "models" / asset.id).glob("0*.json")) == ["0001.json", "0002.json"]
    times = [t for t, _ in plant.series(SCORE)]
    assert times == sorted(set(times))
    assert len(times) == ALL - HEALTHY


async def test_too_little_is_told_and_tried_again(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    plant = Plant(tmp_path, until=20)
    async with plant.client() as client:
        plant.feed(0, 60)
        await plant.run(client)
        assert plant.fleet.watches == {}
        assert "are needed" in caplog.text


async def test_a_fit_that_failed_is_left_alone_for_a_while(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant, tried, real = Plant(tmp_path, until=20), [], fit

    def counted(*rows: Rows | None, **more: object) -> object:
        tried.append(1)
        return real(*rows, **more)  # type: ignore[arg-type]

    monkeypatch.setattr(fitting, "fit", counted)
    async with plant.client() as client:
        plant.feed(0, ALL)
        for _ in range(3):
            await plant.run(client)
        assert len(tried) == 1
        assert all("are needed" in why for why in plant.fleet.unfit.values())
        assert len(plant.fleet.unfit) == 1
        plant.now_ns += FIT_AGAIN_NS
        await plant.run(client)
        assert len(tried) == 2
        (asset,) = await client.assets.list()
        await client.assets.update(asset.id, attributes=named_healthy(HEALTHY))
        await plant.run(client)
    assert len(tried) == 3
    assert len(plant.fleet.watches) == 1


async def test_an_older_version_taken_back_judges_from_then_on(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, 400)
        await plant.run(client)
        (asset,) = await client.assets.list()
        first = plant.fleet.watches[asset.id].judging.key
        old = {p.name: p.value for p in asset.properties if p.kind == "attribute"}
        until = format_rfc3339_ns(START_NS + 200 * SECOND)
        await client.assets.update(asset.id, attributes=old | {"healthy_until": until})
        await plant.run(client)
        assert plant.fleet.watches[asset.id].judging.key != first
        plant.fleet.artefacts.use(asset.id, 1)
        await plant.run(client)
        assert plant.fleet.watches[asset.id].judging.key == first
        plant.feed(400, ALL)
        await plant.run(client)
    assert [t for t, _ in plant.series(SCORE)] == plant.rows.times_ns[HEALTHY:].tolist()


async def test_a_dead_channel_holds_its_machine_up_by_the_wait_alone(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, 400)
        await plant.run(client)
        for i in range(CHANNELS - 1):
            rows = zip(plant.rows.times_ns[400:440].tolist(), plant.rows.values[400:440, i].tolist(), strict=True)
            plant.fake.feed(f"asset-7f3a/ch{i:02d}", list(rows))
        await plant.run(client)
        assert len(plant.series(SCORE)) == 100
        plant.now_ns += 20 * SECOND
        await plant.run(client)
    assert len(plant.series(SCORE)) == 140


def second_machine(plant: Plant) -> None:
    """Add a machine of the same rows that comes behind the first."""
    plant.fake.add_asset("works/line/second", name="Second", attributes=named_healthy())
    for i in range(CHANNELS):
        plant.fake.add_tag(f"second/ch{i:02d}", asset="works/line/second", property=f"ch{i:02d}")
        rows = zip(plant.rows.times_ns.tolist(), plant.rows.values[:, i].tolist(), strict=True)
        plant.fake.feed(f"second/ch{i:02d}", list(rows))


async def test_a_fit_that_fails_as_nobody_foresaw_stops_no_other_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(tmp_path)
    second_machine(plant)
    plant.feed(0, ALL)
    async with plant.client() as client:
        first = next(a for a in await client.assets.list() if a.path == PATH)
        real = fit

        def fit_or_fail(*rows: Rows | None, source: str, **more: object) -> object:
            if source == first.id:
                message = "singular"
                raise np.linalg.LinAlgError(message)
            return real(*rows, source=source, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(fitting, "fit", fit_or_fail)
        await plant.run(client)
        assert [w.asset.path for w in plant.fleet.watches.values()] == ["works/line/second"]
        assert "singular" in plant.fleet.unfit[first.id]
        monkeypatch.setattr(fitting, "fit", real)
        plant.now_ns += FIT_AGAIN_NS
        await plant.run(client)
    assert plant.fleet.unfit == {}
    assert len(plant.fleet.watches) == 2


async def test_a_judge_that_fails_as_nobody_foresaw_stops_no_other_machine(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant = Plant(tmp_path)
    second_machine(plant)
    plant.feed(0, 400)
    async with plant.client() as client:
        await plant.run(client)
        first = next(w for w in plant.fleet.watches.values() if w.asset.path == PATH)

        def fail(*_: object, **__: object) -> list[object]:
            message = "of no foreseen kind"
            raise RuntimeError(message)

        with monkeypatch.context() as patched:
            patched.setattr(first, "_judge", fail)
            plant.feed(400, ALL)
            await plant.run(client)
            assert isinstance(first.failure, RuntimeError)
            (second,) = (w for w in plant.fleet.watches.values() if w is not first)
            assert second.failure is None
        await plant.run(client)
    assert plant.fleet.watches[first.asset.id].failure is None
    scores = [t for t, _ in plant.series(SCORE)]
    assert scores == plant.rows.times_ns[HEALTHY:].tolist()


async def test_a_state_of_another_version_makes_the_history_be_judged_again(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, 400)
        await plant.run(client)
        (kept,) = (tmp_path / "state").glob("*.json")
        body = json.loads(kept.read_text())
        del body["model"]["detector"]["rows"]["seen"]
        kept.write_text(json.dumps(body))
        plant.restart()
        plant.feed(400, ALL)
        await plant.run(client)
    assert [t for t, _ in plant.series(SCORE)] == plant.rows.times_ns[HEALTHY:].tolist()


async def test_a_refused_state_leaves_the_judge_as_it_was(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, 400)
        await plant.run(client)
    (watch,) = plant.fleet.watches.values()
    state = watch.model.to_json()
    del state["held"]
    judge = watch.judging.make()
    assert isinstance(judge, RowJudge)
    before = judge.to_json()
    assert not judge.restore(state)
    assert judge.to_json() == before


async def test_trouble_that_is_over_is_not_told_any_more(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, 400)
        await plant.run(client)
        (asset,) = await client.assets.list()
        right = {p.name: p.value for p in asset.properties if p.kind == "attribute"}
        await client.assets.update(asset.id, attributes=right | {"healthy_until": "monday"})
        await plant.run(client)
        assert "no time" in plant.fleet.unfit[asset.id]
        await client.assets.update(asset.id, attributes=right)
        await plant.run(client)
    assert plant.fleet.unfit == {}


async def test_a_machine_whose_stretch_is_taken_away_is_let_go(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, 400)
        await plant.run(client)
        (asset,) = await client.assets.list()
        await client.assets.update(asset.id, attributes={"healthy_from": "", "healthy_until": ""})
        await plant.run(client)
    assert plant.fleet.watches == {}


async def test_a_channel_without_values_is_named(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.fake.add_tag("asset-7f3a/dead", asset=PATH, property="dead")
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
    assert list(plant.fleet.unfit.values()) == ["waits for a value of dead behind its healthy stretch"]


async def test_a_channel_that_is_much_slower_than_the_others_is_awaited_no_longer_than_it_takes(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    plant.fake.add_tag("asset-7f3a/slow", asset=PATH, property="slow")
    async with plant.client() as client:
        plant.feed(0, ALL)
        slow = [(START_NS + n * 299 * SECOND, float(n % 2)) for n in range(3)]
        plant.fake.feed("asset-7f3a/slow", slow)
        await plant.fleet.look(client)
    assert len(plant.fleet.watches) == 1


async def test_a_write_is_bounded_in_samples_however_many_channels_there_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(watching, "WRITE_SAMPLES", 70)
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, ALL)
        commits: list[int] = []
        real = client.write_many

        async def write_many(samples: dict[object, list[object]], **more: object) -> object:
            commits.append(sum(len(rows) for rows in samples.values()))
            return await real(samples, **more)  # type: ignore[arg-type]

        monkeypatch.setattr(client, "write_many", write_many)
        await plant.run(client)
    assert 35 < max(commits) <= 70
    assert len(plant.series(SCORE)) == ALL - HEALTHY


async def test_checkpoints_that_take_long_take_a_tenth_of_the_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plant, whole = Plant(tmp_path / "slow"), Plant(tmp_path / "whole")
    real, saved = Checkpoints.save, []

    def slow(self: Checkpoints, asset: str, checkpoint: Checkpoint) -> None:
        real(self, asset, checkpoint)
        saved.append(checkpoint.position)
        plant.now_ns += SECOND

    async with whole.client() as client:
        whole.feed(0, ALL)
        await whole.run(client)
    monkeypatch.setattr(Checkpoints, "save", slow)
    async with plant.client() as client:
        for first in range(0, ALL, 25):
            plant.feed(first, first + 25)
            plant.now_ns += SECOND
            await plant.run(client)
        assert 2 <= len(saved) <= 3
        plant.restart()
        plant.now_ns += 20 * SECOND
        await plant.run(client)
    assert plant.series(SCORE) == whole.series(SCORE)


async def test_a_newly_watched_asset_reads_its_own_history_not_every_commit(tmp_path: Path) -> None:
    plant = Plant(tmp_path)
    async with plant.client() as client:
        plant.feed(0, ALL)
        await plant.run(client)
    followed = [request.url.params.get("position") for request in plant.fake.asked if request.url.path == "/v1/since"]
    assert followed
    assert "0" not in followed
    assert len(plant.series(SCORE)) == ALL - HEALTHY
