"""How a function with a Context becomes a route: the parameter that FastAPI shall not see is taken out."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable
from functools import wraps
from typing import Any

from fastapi import Request

PageBody = Callable[..., Any]


def bind(function: PageBody, enter: Callable[[Request, Callable[[Any], Awaitable[Any]]], Awaitable[Any]]) -> PageBody:
    """Give a page function without `function`'s first parameter, whose argument `enter` provides.

    `enter(request, body)` finds or makes the context and awaits `body(context)`, or answers otherwise. Path and query
    parameters keep their names and types.
    """
    signature = inspect.signature(function, eval_str=True)
    first, *others = signature.parameters.values()
    wants_request = any(p.name == "request" for p in others)

    @wraps(function)
    async def page(request: Request, **arguments: Any) -> Any:
        async def body(context: Any) -> Any:
            extra = {"request": request} if wants_request else {}
            result = function(context, **arguments, **extra)
            return await result if inspect.isawaitable(result) else result

        return await enter(request, body)

    del first
    request = inspect.Parameter("request", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Request)
    kept = [request, *(p for p in others if p.name != "request")]
    page.__signature__ = signature.replace(parameters=kept, return_annotation=Any)  # type: ignore[attr-defined]
    page.__annotations__ = {p.name: p.annotation for p in kept}
    return page
