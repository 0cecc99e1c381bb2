"""The ranges of tags that a merge sorts one after the other."""

import numpy as np
import pytest

from penstock.platform.historian.files.pieces import piece_bounds


@pytest.mark.parametrize(
    ("tag", "rows", "bounds"),
    [
        ([], [], []),
        ([7], [1000], [(7, 7)]),
        ([1, 2, 3, 4], [50, 50, 50, 50], [(1, 2), (3, 4)]),
        ([1, 2, 3, 1, 2, 3], [20, 20, 20, 30, 30, 30], [(1, 2), (3, 3)]),
        ([1, 5, 9], [1, 1000, 1], [(1, 1), (5, 9)]),
    ],
)
def test_every_tag_is_in_one_piece_and_pieces_are_of_about_so_many_rows(
    tag: list[int], rows: list[int], bounds: list[tuple[int, int]]
) -> None:
    assert piece_bounds(np.array(tag, np.int64), np.array(rows, np.int64), 100) == bounds
