"""Refusals of the fake platform, in the platform's form."""

from __future__ import annotations

import json
from typing import Any

import httpx


class Refused(Exception):
    """Answer with a problem (RFC 9457)."""

    def __init__(self, status: int, name: str, detail: str, **fields: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.name = name
        self.detail = detail
        self.fields = fields

    def answer(self, headers: dict[str, str] | None = None) -> httpx.Response:
        """Give the HTTP answer."""
        body = {
            "type": f"https://penstock.invalid/problems/{self.name}",
            "title": self.name.replace("-", " "),
            "status": self.status,
            "detail": self.detail,
            "instance": "req_fake",
            **self.fields,
        }
        kept = {"content-type": "application/problem+json"} | (headers or {})
        return httpx.Response(self.status, headers=kept, content=json.dumps(body).encode())
