"""What the indexes of a gateway's epoch mean, in arrays, so that a batch is translated by three takes."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from penstock.core.values import ValueType
from penstock.platform.registry.service import TagRef

ABSENT = 255
NEVER_LATE = 2**62


@dataclass(frozen=True, slots=True, eq=False)
class TagMap:
    """Hold, by local index: platform id, ValueKind or ABSENT, may the gateway write, late_after."""

    source: Mapping[int, TagRef]
    ids: NDArray[np.int64]
    kinds: NDArray[np.uint8]
    owned: NDArray[np.bool_]
    late_after: NDArray[np.int64]

    @classmethod
    def of(cls, source: Mapping[int, TagRef], gateway: str) -> "TagMap":
        """Make the arrays; one place more than there are indexes, for all that lie beyond."""
        size = max(source, default=-1) + 2
        ids, kinds = np.zeros(size, np.int64), np.full(size, ABSENT, np.uint8)
        owned, late_after = np.zeros(size, np.bool_), np.full(size, NEVER_LATE, np.int64)
        for index, tag in source.items():
            ids[index] = tag.id
            kinds[index] = ValueType(tag.value_type).kind
            owned[index] = tag.owner == gateway
            if tag.late_after_ns is not None:
                late_after[index] = min(tag.late_after_ns, NEVER_LATE)
        return cls(source, ids, kinds, owned, late_after)

    def places(self, index: NDArray[np.uint32]) -> NDArray[np.int64]:
        """Give the place of each index in the arrays; unknown ones go to the last place."""
        return np.minimum(index.astype(np.int64), len(self.ids) - 1)

    def name(self, index: int) -> str:
        """Give the key of an index, for messages."""
        tag = self.source.get(index)
        return tag.key if tag is not None else f"index {index}"
