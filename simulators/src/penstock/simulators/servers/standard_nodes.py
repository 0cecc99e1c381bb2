"""The standard nodes of OPC UA, made once for all servers of this process.

asyncua fills every server's address space with the 6,000 nodes of OPC 10000-5 by running generated Python: one to two
seconds of processor time a server, half of it the garbage collector walking the objects of all servers before. Here
they are made once, off the event loop, and taken out of the collector's sight; a server copies a node when it first
touches it, which for most nodes is never. What a server writes stays with that server.
"""

from __future__ import annotations

import asyncio
import copy
import gc
import threading
from collections.abc import Iterator, Mapping, MutableMapping
from typing import Any

from asyncua.server.address_space import AddressSpace, AttributeValue, NodeData, NodeManagementService

from penstock.simulators.servers.ua import ua

_making = threading.Lock()
_made: dict[Any, NodeData] = {}


class NodesOverStandard(MutableMapping[Any, NodeData]):
    """Hold one server's nodes; a standard node is copied at its first touch.

    Iteration gives the touched nodes only. asyncua iterates to find references to a node it deletes, and a node that
    got such a reference was touched.
    """

    def __init__(self, standard: Mapping[Any, NodeData]) -> None:
        self._standard = standard
        self._own: dict[Any, NodeData] = {}

    def __getitem__(self, key: Any) -> NodeData:
        node = self._own.get(key)
        if node is None:
            node = self._own[key] = _copy(self._standard[key])
        return node

    def __setitem__(self, key: Any, value: NodeData) -> None:
        self._own[key] = value

    def __contains__(self, key: object) -> bool:
        return key in self._own or key in self._standard

    def __delitem__(self, key: Any) -> None:
        del self._own[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(list(self._own))

    def __len__(self) -> int:
        return len(self._own)


def _copy(node: NodeData) -> NodeData:
    """Copy what a server changes in place: the lists, the reference descriptions, and the content of the value."""
    made = NodeData(node.nodeid)
    for attribute, held in node.attributes.items():
        value = copy.deepcopy(held.value) if attribute == ua.AttributeIds.Value else held.value
        assert held.value_callback is None, "the standard nodes hold plain values"
        made.attributes[attribute] = AttributeValue(value)  # type: ignore[arg-type]
    made.references = [copy.copy(reference) for reference in node.references]
    return made


async def standard_nodes() -> Mapping[Any, NodeData]:
    """Give the standard nodes, to be read only; the first call makes them in a thread."""
    return await asyncio.to_thread(_standard_nodes)


def _standard_nodes() -> Mapping[Any, NodeData]:
    with _making:
        if not _made:
            _made.update(_make())
        return _made


def _make() -> Mapping[Any, NodeData]:
    """Run asyncua's generated code. The collector rests meanwhile: it would stop all threads again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        from asyncua.server.standard_address_space import standard_address_space

        fill: Any = standard_address_space.fill_address_space
        space = AddressSpace()
        fill(NodeManagementService(space))
        gc.freeze()  # they live as long as the process; a collection that walks them takes half a second
        return space._nodes
    finally:
        if collecting:
            gc.enable()
