"""The asset tree in the left drawer: the ISA-95 hierarchy with a dot for each asset's standing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from nicegui import ui

from penstock.apps.house.widgets import toned
from penstock.apps.monitoring.states import Mark
from penstock.sdk.models import TreeNode

INDENT_PX = 10


def show_mark(dot: ui.element, mark: Mark) -> None:
    """Give a dot its tone, and the shape and the words of an alarm."""
    toned(dot, mark.tone)
    dot.classes(add="ps-alarmed") if mark.alarmed else dot.classes(remove="ps-alarmed")
    if dot.props.get("title", "") != mark.words:
        dot.props["title"] = mark.words
        dot.update()


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

    def show(self, roots: Sequence[TreeNode], marks: Mapping[str, Mark]) -> None:
        """Show the hierarchy; `marks` by asset id."""
        if roots != self._shown:
            self._shown = roots
            self._dots.clear()
            self._holder.clear()
            with self._holder:
                for root in roots:
                    self._node(root, 0)
        for asset_id, dot in self._dots.items():
            show_mark(dot, marks.get(asset_id, Mark("none")))

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
