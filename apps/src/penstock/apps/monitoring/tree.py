"""The asset tree in the left drawer: the ISA-95 hierarchy with a dot for each asset's standing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nicegui import ui

from penstock.apps.house.widgets import toned
from penstock.sdk.models import TreeNode

INDENT_PX = 10


class Tree:
    """Keep the hierarchy shown; rebuilt only when it changes."""

    def __init__(self, here: str) -> None:
        self._here = here
        self._shown: Sequence[TreeNode] = ()
        self._dots: dict[str, ui.element] = {}
        with ui.context.client.content:  # a drawer belongs to the layout, not into an element of the page
            drawer = ui.left_drawer(bordered=False, value=False)
        with drawer.classes("ps-drawer").props("width=264 breakpoint=1100 show-if-above"):
            self._holder = ui.element("nav").classes("ps-tree").props('aria-label="Assets"')
        self.drawer = drawer

    def show(self, roots: Sequence[TreeNode], tones: Mapping[str, str]) -> None:
        """Show the hierarchy; `tones` by asset id."""
        if roots != self._shown:
            self._shown = roots
            self._dots.clear()
            self._holder.clear()
            with self._holder:
                for root in roots:
                    self._node(root, 0)
        for asset_id, dot in self._dots.items():
            toned(dot, tones.get(asset_id, "none"))

    def _node(self, node: TreeNode, depth: int) -> None:
        indent = f"padding-left: {8 + INDENT_PX * max(depth - 1, 0)}px"
        if node.asset:
            link = ui.link(target=f"/asset/{node.asset}").style(indent)
            if node.asset == self._here:
                link.classes("ps-here").props('aria-current="page"')
            with link:
                self._dots[node.asset] = ui.element("span").classes("ps-dot")
                ui.label(node.name).classes("ps-grow")
        elif depth:  # the enterprise itself is on every line already
            ui.label(node.name).classes("ps-branch").style(indent)
        for child in sorted(node.children, key=lambda n: n.path):
            self._node(child, depth + 1)
