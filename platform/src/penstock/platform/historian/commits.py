"""Pages of commits: cut so that no commit is in two of them."""

import pyarrow.compute as pc

from penstock.platform.historian.ports import Table


def whole_commits(rows: Table, limit: int, end: int) -> tuple[Table, int]:
    """Keep the commits that fit the limit, the first in any case; give them and the position where they end.

    `rows` are of commits up to `end`, in their order.
    """
    if rows.num_rows <= limit:
        return rows, end
    beyond = rows["position"][limit].as_py()
    end = beyond if rows["position"][0].as_py() == beyond else beyond - 1
    return rows.filter(pc.less_equal(rows["position"], end)), end
