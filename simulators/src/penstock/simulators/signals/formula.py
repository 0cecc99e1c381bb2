"""A formula in a device file, evaluated within bounds: arithmetic, comparison, a few functions; no attribute, loop."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Final

from simpleeval import InvalidExpression, SimpleEval

from penstock.core.values import Value

LENGTH_MAX: Final = 500
NODES_MAX: Final = 100
"""A formula of a sensor fits in a line; a longer one wants a model."""

FUNCTIONS: Final[dict[str, Callable[..., float]]] = {
    "sin": math.sin,
    "cos": math.cos,
    "tan": math.tan,
    "sqrt": math.sqrt,
    "exp": math.exp,
    "log": math.log,
    "abs": abs,
    "min": min,
    "max": max,
    "round": round,
    "floor": math.floor,
}
CONSTANTS: Final = {"pi": math.pi, "true": True, "false": False}
_ALLOWED: Final = (
    ast.Expression, ast.BinOp, ast.UnaryOp, ast.BoolOp, ast.Compare, ast.IfExp, ast.Call, ast.Name, ast.Load,
    ast.Constant, ast.operator, ast.unaryop, ast.boolop, ast.cmpop,
)  # fmt: skip


class Formula:
    """Hold a checked expression; `names` are the other tags it reads."""

    def __init__(self, expression: str) -> None:
        if len(expression) > LENGTH_MAX:
            message = f"formula of {len(expression)} characters; at most {LENGTH_MAX}"
            raise ValueError(message)
        try:
            tree = ast.parse(expression.strip(), mode="eval")
        except SyntaxError as error:
            message = f"formula {expression!r} cannot be read: {error.msg} at column {error.offset}"
            raise ValueError(message) from None
        nodes = list(ast.walk(tree))
        if len(nodes) > NODES_MAX:
            message = f"formula of {len(nodes)} terms; at most {NODES_MAX}"
            raise ValueError(message)
        calls = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
        for node in nodes:
            _check(node, calls)
        self._text = expression.strip()
        self._tree = tree.body
        found = {node.id for node in nodes if isinstance(node, ast.Name) and id(node) not in calls}
        self.names = frozenset(found - {"t"} - set(CONSTANTS))

    def at(self, t_s: float, others: Mapping[str, Value]) -> Value:
        """Evaluate; None where it has no value (division by zero, a name without a value, a result out of range)."""
        names = {**CONSTANTS, **{name: others.get(name) for name in self.names}, "t": t_s}
        try:
            result = SimpleEval(names=names, functions=FUNCTIONS).eval(self._text, previously_parsed=self._tree)
        except (ArithmeticError, ValueError, TypeError, InvalidExpression):
            return None
        if isinstance(result, bool | int | str):
            return result
        return result if isinstance(result, float) and math.isfinite(result) else None


def _check(node: ast.AST, calls: set[int]) -> None:
    if not isinstance(node, _ALLOWED):
        message = f"a formula has no {type(node).__name__}; it has arithmetic, comparisons, and {', '.join(FUNCTIONS)}"
        raise ValueError(message)
    if isinstance(node, ast.Call) and (not isinstance(node.func, ast.Name) or node.func.id not in FUNCTIONS):
        message = f"no such function; a formula has: {', '.join(FUNCTIONS)}"
        raise ValueError(message)
    if isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) > 64:
        message = "a text in a formula has at most 64 characters"
        raise ValueError(message)
    if isinstance(node, ast.Name) and id(node) in calls:
        return
