"""Errors that every room raises: each says what, where and what to do, and carries its attributes."""

from __future__ import annotations

import json


class PenstockError(Exception):
    """Carry a message for people and attributes for programs."""

    def __init__(self, message: str, **attributes: object) -> None:
        super().__init__(message)
        self.message = message
        self.attributes = attributes


class PeerError(PenstockError):
    """Say that the other side broke the contract; `problem` is the short problem type of wire.md, if it has one."""

    def __init__(self, message: str, *, problem: str = "malformed", **attributes: object) -> None:
        super().__init__(message, **attributes)
        self.problem = problem


class ConfigError(PenstockError):
    """Name the file, the line (from 1, None where unknown) and the dotted key that must be changed.

    `others` holds the further errors of the same file, in the order of their lines.
    """

    def __init__(
        self, message: str, *, file: str, line: int | None, key: str, others: tuple[ConfigError, ...] = ()
    ) -> None:
        super().__init__(message, file=file, line=line, key=key)
        self.file = file
        self.line = line
        self.key = key
        self.others = others

    def __str__(self) -> str:
        where = self.file if self.line is None else f"{self.file}:{self.line}"
        return f"{where}: {self.key}: {self.message}" if self.key else f"{where}: {self.message}"


class RetryLater(PenstockError):
    """Ask the caller to try again after `after_ms`."""

    def __init__(self, after_ms: int, message: str = "") -> None:
        super().__init__(message or f"busy, try again in {after_ms} ms", after_ms=after_ms)
        self.after_ms = after_ms


def reason_of(error: Exception) -> str:
    """Say in words why a file could not be read as what it should be."""
    match error:
        case OSError():
            return error.strerror or str(error)
        case KeyError():
            return f"{error} is missing in it"
        case TypeError() | AttributeError():
            return "its values have another form"
        case UnicodeError():
            return "it is no UTF-8 text"
        case json.JSONDecodeError():
            return f"it is no JSON: {error}"
        case _:
            return str(error)
