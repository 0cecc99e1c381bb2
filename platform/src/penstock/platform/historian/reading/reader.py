"""The reading side: a few threads with a cursor each, and the questions they answer from the files."""

# ruff: noqa: S608 the pieces are constants and names made of numbers; every value is a parameter

import asyncio
import contextlib
import functools
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

import duckdb
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from penstock.core.aggregate import Aggregate, AggregateSettings
from penstock.core.windows import Window
from penstock.platform.historian.commits import whole_commits
from penstock.platform.historian.errors import CursorExpired, NotNow, TooManyRows
from penstock.platform.historian.files.engine import Engine
from penstock.platform.historian.files.view import View
from penstock.platform.historian.period import PERIOD_NS
from penstock.platform.historian.ports import STORED_ROWS, RowKey, Since, Table
from penstock.platform.historian.processed import blocks
from penstock.platform.historian.processed.aggregates import Summary, at_times, summed_up, wants_more
from penstock.platform.historian.processed.blocks import block_scene_of
from penstock.platform.historian.processed.columns_by_count import Column
from penstock.platform.historian.processed.plot import (
    EXTREMES,
    PLOT_COLUMNS,
    Plot,
    bucket_ns,
    extremes_of,
    first_bucket,
    of_extremes,
    thin,
)
from penstock.platform.historian.processed.scene import Scene, scene_of
from penstock.platform.historian.processed.series import Series, one_lane
from penstock.platform.historian.processed.stage import together
from penstock.platform.historian.reading.beside import Beside
from penstock.platform.historian.reading.gather import Wanted, gather
from penstock.platform.historian.reading.many import series_of_many
from penstock.platform.historian.repeats import column_i64

QUERY_THREADS = 2
QUERIES_WAITING_MAX = 64  # at 50 ms each the last one waits under 2 s
RETRY_MS = 1_000
PLOT_ROWS_MAX = 200_000
"""Samples of a plot that are read as they are: 5 MB, 20 ms; of more the database finds the extremes."""
PLOT_SAMPLES_MAX = 1_000_000
"""Samples that are read beside summaries for a plot; of more the database finds the extremes."""
REACH_NS = 3_600 * 1_000_000_000
"""How far values at given times look for a usable sample beyond Bad ones, at least (Part 13, 3.1.8)."""
LOOKS_MAX = 3
LOOK_GROWS = 5
LOOK_ROWS_MAX = 500_000
"""Rows of all tags that a page of commits looks through at once for those of some tags: 30 MB if all are theirs. The
first look is for as many as the page may have; who follows few tags of a busy plant is given fewer, longer pages."""
_COLUMNS = 'tag, time, status, vf, vi, vb, vs, position, "row"'

P = ParamSpec("P")
T = TypeVar("T")


class Reader:
    """Run questions off the event loop; the number of those that wait is bounded."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._pool = ThreadPoolExecutor(QUERY_THREADS, thread_name_prefix="historian-query")
        self._beside = Beside()
        self._waiting = 0

    def stop(self) -> None:
        """Let running questions end, refuse the rest."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        self._beside.stop()

    async def run(self, question: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Answer a question in a query thread; raise NotNow when too many wait or the files are being reopened."""
        if self._waiting >= QUERIES_WAITING_MAX:
            raise NotNow(RETRY_MS, f"{self._waiting} questions wait already; ask again in a second")
        self._waiting += 1
        try:
            call = functools.partial(question, *args, **kwargs)
            return await asyncio.get_running_loop().run_in_executor(self._pool, call)
        except (duckdb.FatalException, duckdb.ConnectionException, duckdb.InterruptException) as error:
            raise NotNow(RETRY_MS, "the historian is opening its files again; ask again in a second") from error
        finally:
            self._waiting -= 1

    def range(
        self, tags: Sequence[int], start_ns: int, end_ns: int, after: RowKey | None, limit: int, *, descending: bool
    ) -> Table:
        """Give rows with start <= time < end by (time, position, row) beyond `after`."""
        if not tags or limit <= 0:
            return STORED_ROWS.empty_table()
        parameters: dict[str, object] = {"tags": list(tags), "start": start_ns, "end": end_ns, "limit": limit}
        select = (
            f"SELECT {_COLUMNS} FROM $G.sample WHERE tag IN (SELECT unnest($tags)) AND time >= $start AND time < $end"
        )
        if len(tags) == 1:
            parameters["tags"] = tags[0]
            select = select.replace("IN (SELECT unnest($tags))", "= $tags")
        if after is not None:
            sign = "<" if descending else ">"
            select += (
                f' AND (time {sign} $t OR (time = $t AND (position {sign} $p OR (position = $p AND "row" {sign} $r))))'
            )
            parameters |= {"t": after.time, "p": after.position, "r": after.row}
        order = "DESC" if descending else "ASC"
        by = f'ORDER BY time {order}, position {order}, "row" {order} LIMIT $limit'
        with self._engine.view() as view:
            sql = f"{view.samples(select, tags, start_ns, end_ns)} {by}"
            return self._engine.query(sql, parameters).cast(STORED_ROWS)

    def series(self, tag: int, start_ns: int, end_ns: int, limit: int) -> Series:
        """Give a tag's samples in [start, end] and the newest before; raise TooManyRows above `limit`.

        Of the time after `end` the first sample is given too, for the line to it.
        """
        select = (
            'SELECT time, status, coalesce(vf, vi::DOUBLE, vb::INTEGER::DOUBLE) AS value, position, "row" '
            "FROM $G.sample WHERE tag = $tag AND time >= $low AND time <= $high"
        )
        with self._engine.view() as view:
            low, high = self._bound(view, tag, start_ns, before=True), self._bound(view, tag, end_ns, before=False)
            rows = view.samples(select, (tag,), low, high + 1)
            sql = f'SELECT time, status, value FROM ({rows}) ORDER BY time, position, "row" LIMIT $limit'
            found = self._engine.query(sql, {"tag": tag, "low": low, "high": high, "limit": limit + 1})
        if found.num_rows > limit:
            raise TooManyRows(limit, f"the range of tag {tag}")
        value = found["value"].to_numpy().astype(np.float64, copy=False)
        return Series(column_i64(found, "time"), found["status"].to_numpy().astype(np.uint32, copy=False), value)

    def _bound(self, view: View, tag: int, time_ns: int, *, before: bool) -> int:
        """Give the newest time before `time_ns`, or the first from it on; `time_ns` if there is none.

        A run that lies wholly on one side answers from the manifest; only those that `time_ns` cuts are read.
        """
        told = [(source, *view.bound(source, tag, time_ns, before=before)) for source in view.sources]
        times = [known for _, known, _ in told if known is not None]
        wanted = [source for source, _, read in told if read]
        if wanted:
            pick, where = ("max", "time < $t") if before else ("min", "time >= $t")
            select = f"SELECT {pick}(time) FROM $G.sample WHERE tag = $tag AND {where}"
            found = self._engine.rows(view.visible(wanted, select, (tag,)), {"tag": tag, "t": time_ns})
            times += [int(row[0]) for row in found if row[0] is not None]
        return (max if before else min)(times, default=time_ns)

    def aggregate(
        self, tag: int, over: Sequence[Window], wanted: Sequence[Aggregate], settings: AggregateSettings, limit: int
    ) -> Summary:
        """Read a tag and compute."""
        return self.aggregate_many({tag: settings}, over, wanted, limit)[tag]

    def _alone(
        self, tag: int, over: Sequence[Window], wanted: Sequence[Aggregate], settings: AggregateSettings, limit: int
    ) -> Summary:
        """Read a tag's samples and compute; further out where those next to the span do not tell enough."""
        scene = self._scene(tag, over, settings, limit)
        if wants_more(scene, wanted).any():
            reach = max(window.end_ns - window.start_ns for window in over)
            scene = self._scene(tag, over, settings, limit, reach=reach)
        return summed_up(scene, wanted)

    def _scene(
        self, tag: int, over: Sequence[Window], settings: AggregateSettings, limit: int, *, reach: int = 0
    ) -> Scene:
        series = self.series(tag, over[0].start_ns - reach, over[-1].end_ns + reach, limit)
        return scene_of(one_lane(series), over, settings)

    def aggregate_many(
        self,
        settings: Mapping[int, AggregateSettings],
        over: Sequence[Window],
        wanted: Sequence[Aggregate],
        limit: int,
    ) -> dict[int, Summary]:
        """Read several tags in one pass and compute, with summaries where they serve."""
        chosen = {tag: each for tag, each in settings.items() if blocks.answers(wanted, each)}
        told = self._few_or_each(chosen, over, wanted, limit) if chosen else {}
        rest = {tag: each for tag, each in settings.items() if tag not in told}
        if rest:
            told |= self._from_samples(rest, over, wanted, limit)
        return {tag: told[tag] for tag in settings}

    def _few_or_each(
        self,
        settings: Mapping[int, AggregateSettings],
        over: Sequence[Window],
        wanted: Sequence[Aggregate],
        limit: int,
    ) -> dict[int, Summary]:
        """Compute with summaries, tag by tag where they are too many together; not those that alone are too many."""
        try:
            return self._from_blocks(settings, over, wanted, limit)
        except TooManyRows:
            if len(settings) == 1:
                return {}
        told: dict[int, Summary] = {}
        for tag, each in settings.items():
            told |= self._few_or_each({tag: each}, over, wanted, limit)
        return told

    def _from_blocks(
        self,
        settings: Mapping[int, AggregateSettings],
        over: Sequence[Window],
        wanted: Sequence[Aggregate],
        limit: int,
    ) -> dict[int, Summary]:
        """Compute with summaries; of those tags that they serve."""
        if any(window.end_ns % PERIOD_NS for window in over[:-1]):
            return {}
        pure = any(blocks.needs_pure(wanted, each) for each in settings.values())
        start, end = over[0].start_ns, over[-1].end_ns
        asked = Wanted(sorted(settings), start, end, blocks.columns_of(wanted), pure=pure, limit=limit)
        with self._engine.view() as view:
            found = gather(self._engine, view, asked, self._beside)
        if found is None:
            return {}
        told: dict[int, Summary] = {}
        each = [settings[tag] for tag in found.tags]
        for lanes in together(found.samples, each, over, calm=found.calm, rows=found.rows):
            scene = block_scene_of(found.samples.some(lanes), found.blocks.some(lanes), over, each[lanes[0]])
            tags = [found.tags[lane] for lane in lanes.tolist()]
            told |= _told(scene, tags, wanted, enough=found.gone[lanes])
        return told

    def _from_samples(
        self,
        settings: Mapping[int, AggregateSettings],
        over: Sequence[Window],
        wanted: Sequence[Aggregate],
        limit: int,
    ) -> dict[int, Summary]:
        """Read the samples of several tags in one pass and compute; tag by tag where they are too many together."""
        tags, told = list(settings), dict[int, Summary]()
        if len(tags) > 1:
            with contextlib.suppress(TooManyRows):
                found = series_of_many(self._engine, tags, over[0].start_ns, over[-1].end_ns, limit)
                each = list(settings.values())
                for lanes in together(found, each, over, calm=found.calm, rows=found.counts):
                    scene = scene_of(found.some(lanes), over, each[lanes[0]])
                    told |= _told(scene, [tags[lane] for lane in lanes.tolist()], wanted)
        rest = {tag: settings[tag] for tag in tags if tag not in told}
        return told | {tag: self._alone(tag, over, wanted, chosen, limit) for tag, chosen in rest.items()}

    def at_times(
        self, tag: int, times: NDArray[np.int64], settings: AggregateSettings, limit: int, *, simple: bool
    ) -> Column:
        """Read a tag's samples around the times and give its values there."""
        first, last = int(times[0]), int(times[-1])
        series = self.series(tag, first, last, limit)
        over = [Window(first, last + 1)]
        if not simple and wants_more(scene_of(one_lane(series), over, settings), [Aggregate.INTERPOLATIVE]).any():
            reach = max(REACH_NS, last - first)
            series = self.series(tag, first - reach, last + reach, limit)
        return at_times(series, times, settings, simple=simple)

    def plot(self, tag: int, start_ns: int, end_ns: int, points: int) -> Plot:
        """Pick a tag's samples to draw in [start, end), with those next to it; of many, the database finds extremes."""
        length = bucket_ns(start_ns, end_ns, points)
        with self._engine.view() as view:
            is_long = length >= PERIOD_NS or view.kept
            if is_long and (found := self._plot_of_blocks(view, tag, start_ns, end_ns, points)):
                return found
            low, high = self._bound(view, tag, start_ns, before=True), self._bound(view, tag, end_ns, before=False)
            span: dict[str, object] = {"tag": tag, "low": low, "high": high}
            where = "FROM $G.sample WHERE tag = $tag AND time >= $low AND time <= $high"
            counts = "SELECT count(*) AS n, count(*) FILTER (WHERE time >= $start AND time < $end) AS inside"
            rows = view.samples(f"{counts} {where}", (tag,), low, high + 1)
            inside = span | {"start": start_ns, "end": end_ns}
            sums = "SELECT coalesce(sum(n), 0)::BIGINT, coalesce(sum(inside), 0)::BIGINT"
            [(count, samples)] = self._engine.rows(f"{sums} FROM ({rows})", inside)
            if count > PLOT_ROWS_MAX:
                value = "coalesce(vf, vi::DOUBLE, vb::INTEGER::DOUBLE)"
                select = f"SELECT time, status, {value} AS value {where}"
                rows = view.samples(select, (tag,), low, high + 1)
                cut = {"origin": first_bucket(low, start_ns, length), "width": length}
                found_rows = self._engine.query(EXTREMES.replace("{rows}", rows), span | cut)
                return thin(of_extremes(found_rows), points, samples=samples, picked=True)
        return thin(self.series(tag, start_ns, end_ns, PLOT_ROWS_MAX), points, samples=samples)

    def _plot_of_blocks(self, view: View, tag: int, start_ns: int, end_ns: int, points: int) -> Plot | None:
        """Pick from summaries; None where they do not serve, or the samples are few enough to be read."""
        asked = Wanted([tag], start_ns, end_ns, PLOT_COLUMNS, pure=False, limit=PLOT_SAMPLES_MAX)
        try:
            found = gather(self._engine, view, asked, self._beside)
        except TooManyRows:
            return None
        if found is None:
            return None
        samples, told = found.samples.series, found.blocks
        inside = int(((samples.time >= start_ns) & (samples.time < end_ns)).sum()) + told.samples
        if inside <= PLOT_ROWS_MAX and not found.gone.any():
            return None
        length = bucket_ns(start_ns, end_ns, points)
        origin = first_bucket(start_ns, start_ns, length)
        return thin(extremes_of(samples, told, origin, length), points, samples=inside, picked=True)

    def since(self, position: int, limit: int, tags: Sequence[int] | None, head: int, oldest_arrival_ns: int) -> Since:
        """Give whole commits after `position` from the files; raise CursorExpired below the window."""
        with self._engine.view() as view:
            self._check_window(view, position, oldest_arrival_ns)
            rows, end = self._found(view, position, limit, tags, head)
            if end <= position:
                return Since(STORED_ROWS.empty_table(), position, head)
            return Since(rows, end, head, view.erasures.since(position, end, tags))

    def _found(self, view: View, position: int, limit: int, tags: Sequence[int] | None, head: int) -> tuple[Table, int]:
        """Give a page and where it ends; where few rows are of the tags, look through more than the limit for them."""
        found: list[Table] = []
        end, look, count = position, limit, 0
        for _ in range(1 if tags is None else LOOKS_MAX):
            beyond = self._end_of_page(view, end, look, head)
            if beyond > end:
                found.append(self._page(view, end, beyond, tags))
                end, count = beyond, count + found[-1].num_rows
            if end >= head or count >= limit:
                break
            look = max(look, min(look * LOOK_GROWS, LOOK_ROWS_MAX))
        if not found:
            return STORED_ROWS.empty_table(), end
        rows = pa.concat_tables(found)
        return (rows, end) if tags is None else whole_commits(rows, limit, end)

    def _page(self, view: View, position: int, end: int, tags: Sequence[int] | None) -> Table:
        parameters: dict[str, object] = {"low": position, "high": end}
        select = f"SELECT {_COLUMNS} FROM $G.sample WHERE position > $low AND position <= $high"
        if tags is not None:
            select += " AND tag IN (SELECT unnest($tags))"
            parameters["tags"] = list(tags)
        sources = [each for each in view.sources if each.extent.holds_positions(position + 1, end)]
        rows = view.visible(sources or view.sources[-1:], select, tags)
        return self._engine.query(f'{rows} ORDER BY position, "row"', parameters).cast(STORED_ROWS)

    def _check_window(self, view: View, position: int, oldest_arrival_ns: int) -> None:
        """A position may be followed as long as the commit after it is young enough."""
        deleted_to = max((each.position_max for each in self._engine.deleted), default=0)
        if position < deleted_to:
            raise CursorExpired(position, deleted_to, oldest_arrival_ns)
        for source in view.sources:
            extent = source.extent
            if extent.position_max <= position or extent.arrival_max >= oldest_arrival_ns:
                continue
            select = "SELECT min(position) - 1 AS p FROM $G.ledger WHERE arrival_platform >= $arrival"
            young = view.over(select, lambda source: source.extent.arrival_max >= oldest_arrival_ns)
            oldest = self._engine.rows(f"{young} ORDER BY p LIMIT 1", {"arrival": oldest_arrival_ns})
            raise CursorExpired(position, oldest[0][0] or extent.position_max, oldest_arrival_ns)

    def _end_of_page(self, view: View, position: int, limit: int, head: int) -> int:
        """Give the last position of a page: as many commits as fit `limit` rows, at least one."""
        select = "SELECT position, stored FROM $G.ledger WHERE position > $low AND position <= $high"
        sql = (
            "SELECT position, sum(stored) OVER (ORDER BY position) - stored AS before FROM ("
            f"{view.over(select, lambda source: source.extent.position_max > position)}) ORDER BY position LIMIT $pages"
        )
        rows = self._engine.query(sql, {"low": position, "high": head, "pages": max(limit, 1) + 1})
        kept = [
            p
            for p, before in zip(rows["position"].to_pylist(), rows["before"].to_pylist(), strict=True)
            if before < limit
        ]
        if len(kept) < rows.num_rows:
            return int(kept[-1])
        return int(kept[-1]) if rows.num_rows > limit else head


def _told(
    scene: Scene, tags: Sequence[int], wanted: Sequence[Aggregate], *, enough: NDArray[np.bool_] | None = None
) -> dict[int, Summary]:
    """Compute; without tags of which samples further out are needed, but where what there is must be `enough`."""
    more = wants_more(scene, wanted)
    if enough is not None:
        more &= ~enough
    if more.all():
        return {}
    summaries = summed_up(scene, wanted).parts(len(tags))
    return {tag: summary for tag, summary, is_short in zip(tags, summaries, more.tolist(), strict=True) if not is_short}
