"""Words and tones for the states of alarms (ISA-18.2), machines (PackML) and gateways."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from penstock.apps.house.figures import value_text, words

PACKML = {
    1: "Clearing",
    2: "Stopped",
    3: "Starting",
    4: "Idle",
    5: "Suspended",
    6: "Execute",
    7: "Stopping",
    8: "Aborting",
    9: "Aborted",
    10: "Holding",
    11: "Held",
    12: "Unholding",
    13: "Suspending",
    14: "Unsuspending",
    15: "Resetting",
    16: "Completing",
    17: "Completed",
}
"""StateCurrent of ANSI/ISA-TR88.00.02."""


def state_word(name: str, value: float | int | bool | str | None) -> str:
    """Write a machine's state: PackML's numbers and a running flag become words."""
    if name == "running" and isinstance(value, bool | int):
        return "Running" if value else "Stopped"
    if isinstance(value, int) and not isinstance(value, bool):
        return PACKML.get(value, f"State {value}")
    return value_text(value)


def is_active(state: str) -> bool:
    """Say whether an alarm's condition still holds, by its ISA-18.2 state."""
    return "active" in state.lower() and "inactive" not in state.lower()


def is_unacknowledged(state: str) -> bool:
    """Say whether somebody should still acknowledge."""
    text = state.lower()
    return "unack" in text or "un-ack" in text


def alarm_words(state: str) -> tuple[str, str]:
    """Give (words, tone) of an alarm's state."""
    if is_active(state):
        return ("Active, to acknowledge", "bad") if is_unacknowledged(state) else ("Active, acknowledged", "warn")
    if is_unacknowledged(state):
        return "Returned, to acknowledge", "warn"
    if state.lower() == "normal":
        return "Returned to normal", "mute"
    return words(state.lower()), "mute"


@dataclass(frozen=True, slots=True)
class Live:
    """How a gateway stands, in a word and a tone."""

    word: str
    tone: str

    @classmethod
    def of(cls, state: str) -> Live:
        """Read the platform's state of a gateway."""
        text = state.lower()
        if text == "online":
            return cls("Connected", "good")
        if text == "offline":
            return cls("Away", "bad")
        if text == "never":
            return cls("Never seen", "warn")
        return cls(words(text) or "Unknown", "warn" if text else "mute")


def severity_words(severity: int) -> tuple[str, str]:
    """Give (word, tone) of a severity 1 to 1000, in the quarters that OPC UA Part 9 suggests for display."""
    if severity >= 800:
        return "Critical", "bad"
    if severity >= 600:
        return "High", "bad"
    if severity >= 400:
        return "Medium", "warn"
    return "Low", "mute"


@dataclass(frozen=True, slots=True)
class Mark:
    """How an asset's dot looks: its tone, whether an alarm is active there (a shape of its own), and that in words."""

    tone: str
    alarmed: bool = False
    words: str = ""

    @classmethod
    def of(cls, freshness: str, severities: Iterable[int] = ()) -> Mark:
        """Take the tone of the worst active alarm, or of the values' freshness where there is none."""
        worst = max(severities, default=None)
        if worst is None:
            return cls(freshness)
        word, tone = severity_words(worst)
        return cls("bad" if tone == "bad" else "warn", alarmed=True, words=f"Alarm active, severity {word.lower()}")
