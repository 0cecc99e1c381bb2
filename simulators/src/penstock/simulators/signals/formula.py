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

        for node in nodes:
            _check_constant(node)

    def evaluate(self, t_s: float, others: Mapping[str, Value]) -> tuple[Value, str]:
        """Give value and "", or None and why: division by zero, a result out of range, a tag without a value."""
        missing = sorted(name for name in self.names if others.get(name) is None)
        names = {**CONSTANTS, **{name: others.get(name) for name in self.names}, "t": t_s}
        value, why = _value(self._tree, self._text, names)
        return value, f"{why}; without a value: {', '.join(missing)}" if why and missing else why


def _value(tree: ast.AST, text: str, names: Mapping[str, Value]) -> tuple[Value, str]:
    try:
        result = SimpleEval(names=dict(names), functions=FUNCTIONS).eval(text, previously_parsed=tree)
    except (ArithmeticError, ValueError, TypeError, InvalidExpression) as error:
        return None, str(error) or type(error).__name__
    if isinstance(result, bool | int | str) or (isinstance(result, float) and math.isfinite(result)):
        return result, ""
    return None, f"gives {result!r}, which is no value"


def _check_constant(node: ast.AST) -> None:
    """Refuse a part that reads nothing and has no value, such as 1/0: it would have none for ever."""
    if not isinstance(node, ast.BinOp | ast.Call | ast.UnaryOp):
        return
    inner = list(ast.walk(node))
    calls = {id(one.func) for one in inner if isinstance(one, ast.Call)}
    if any(isinstance(one, ast.Name) and id(one) not in calls and one.id not in CONSTANTS for one in inner):
        return
    text = ast.unparse(node)
    _, why = _value(node, text, CONSTANTS)
    if why:
        message = f"{text} never has a value: {why}"
        raise ValueError(message)


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
