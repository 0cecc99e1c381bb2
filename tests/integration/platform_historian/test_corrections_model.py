"""Random lives of a historian that corrects: every reader tells what a plain dictionary tells; planted bugs are caught.

A life is a random row of ingest, replacement, deletion, sealing (with merges and rewritten runs) and restart.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from penstock.platform.historian.erasures import NOTHING, Erasures, Ints, Steps
from penstock.platform.historian.files.run import write_run
from penstock.platform.historian.files.view import View, Views
from penstock.platform.historian.writing import correcting, sealing
from penstock.platform.historian.writing.store import Store
from tests.builders.corrections import Life, Wrong, live

pytestmark = pytest.mark.integration
NEVER_REWRITTEN = 10**15


def life_of(seed: int) -> Life:
    """Give the life of a seed: every second one writes runs again at once."""
    return Life(seed, rewrite_after_ns=0 if seed % 2 else NEVER_REWRITTEN)


@pytest.mark.full
@pytest.mark.parametrize("seed", range(16))
async def test_all_readers_tell_what_the_model_tells(tmp_path: Path, seed: int) -> None:
    await live(tmp_path / "h", life_of(seed))


def _position_ignored(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Steps, "at", lambda steps, time: np.where(_at(steps, time) > 0, 2**62, 0))


def _newest_not_recomputed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Store, "_correct_newest", lambda _store, _tags: None)


def _duplicates_of_erased_rows(patch: pytest.MonkeyPatch) -> None:
    def stored_at(store: Store, tag: Ints, stamp: Ints) -> Any:
        with pytest.MonkeyPatch.context() as blind:
            blind.setattr(View, "samples", _blind_samples)
            return _stored_at(store, tag, stamp)

    patch.setattr(Store, "_stored_at", stored_at)


def _blind_samples(view: View, *asked: Any) -> str:
    return _samples(View(view.sources, head=view.head), *asked)


def _lost_at_merge(patch: pytest.MonkeyPatch) -> None:
    def write(cursor: Any, view: View, *told: Any, **named: Any) -> Any:
        return write_run(cursor, View(view.sources, head=view.head), *told, **named)

    patch.setattr(sealing, "write_run", write)


def _not_told_to_followers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Erasures, "since", lambda *_: NOTHING)


def _joined_over_others(patch: pytest.MonkeyPatch) -> None:
    def joined(_engine: Any, tag: Ints, start: Ints, end: Ints) -> tuple[Ints, Ints, Ints]:
        spans = [(each, start[tag == each].min(), end[tag == each].max()) for each in np.unique(tag)]
        return tuple(np.array(column, np.int64) for column in zip(*spans, strict=True))  # type: ignore[return-value]

    patch.setattr(correcting, "_joined", joined)


def _forgotten_too_soon(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(sealing, "spent", lambda view, _before: view.head if view.erasures else None)


def _bounds_by_the_manifest(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(View, "bound", lambda _view, source, tag, time, before: source.bound(tag, time, before=before))


def _not_shown_to_readers(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(Views, "advance", lambda views, head, _added=None: _advance(views, head, None))


_at, _stored_at, _samples, _advance = Steps.at, Store._stored_at, View.samples, Views.advance
BUGS: list[tuple[Callable[[pytest.MonkeyPatch], None], Life]] = [
    (_position_ignored, life_of(102)),
    (_newest_not_recomputed, life_of(103)),
    (_duplicates_of_erased_rows, life_of(104)),
    (_lost_at_merge, life_of(101)),
]
MORE_BUGS: list[tuple[Callable[[pytest.MonkeyPatch], None], Life]] = [
    (_not_told_to_followers, life_of(102)),
    (_joined_over_others, life_of(103)),
    (_forgotten_too_soon, life_of(100)),
    (_bounds_by_the_manifest, replace(life_of(122), asked=1.0)),
    (_not_shown_to_readers, life_of(100)),
]
"""Each with a life in which it shows soon."""


@pytest.mark.parametrize(("bug", "life"), [*BUGS, *(pytest.param(*each, marks=pytest.mark.full) for each in MORE_BUGS)])
async def test_a_planted_bug_is_caught(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, bug: Callable[[pytest.MonkeyPatch], None], life: Life
) -> None:
    bug(monkeypatch)
    with pytest.raises(Wrong):
        await live(tmp_path / "h", life)


LIVES = list(dict.fromkeys(life for _, life in (*BUGS, *MORE_BUGS)))


@pytest.mark.parametrize("life", [LIVES[0], *(pytest.param(each, marks=pytest.mark.full) for each in LIVES[1:])])
async def test_the_lives_of_the_bugs_are_right_without_them(tmp_path: Path, life: Life) -> None:
    await live(tmp_path / "h", life)
