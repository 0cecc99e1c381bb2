"""The PackML state machine (ANSI/ISA-TR88.00.02-2022, 4.2): states, and which may follow which."""

from __future__ import annotations

from enum import IntEnum


class PackState(IntEnum):
    """Name the states by the numbers of PackTags' StateCurrent."""

    CLEARING = 1
    STOPPED = 2
    STARTING = 3
    IDLE = 4
    SUSPENDED = 5
    EXECUTE = 6
    STOPPING = 7
    ABORTING = 8
    ABORTED = 9
    HOLDING = 10
    HELD = 11
    UNHOLDING = 12
    SUSPENDING = 13
    UNSUSPENDING = 14
    RESETTING = 15
    COMPLETING = 16
    COMPLETED = 17


S = PackState

DONE: dict[PackState, PackState] = {
    S.CLEARING: S.STOPPED,
    S.RESETTING: S.IDLE,
    S.STARTING: S.EXECUTE,
    S.HOLDING: S.HELD,
    S.UNHOLDING: S.EXECUTE,
    S.SUSPENDING: S.SUSPENDED,
    S.UNSUSPENDING: S.EXECUTE,
    S.COMPLETING: S.COMPLETED,
    S.STOPPING: S.STOPPED,
    S.ABORTING: S.ABORTED,
    S.EXECUTE: S.COMPLETING,
}
"""Where a state goes by itself when its work is done (SC)."""

COMMANDS: dict[tuple[str, PackState], PackState] = {
    ("reset", S.STOPPED): S.RESETTING,
    ("reset", S.COMPLETED): S.RESETTING,
    ("start", S.IDLE): S.STARTING,
    ("hold", S.EXECUTE): S.HOLDING,
    ("unhold", S.HELD): S.UNHOLDING,
    ("suspend", S.EXECUTE): S.SUSPENDING,
    ("unsuspend", S.SUSPENDED): S.UNSUSPENDING,
    ("clear", S.ABORTED): S.CLEARING,
}
"""(command, state) → state; stop and abort come from nearly everywhere, see `command`."""

NOT_STOPPABLE = frozenset({S.STOPPED, S.STOPPING, S.ABORTING, S.ABORTED, S.CLEARING})
NOT_ABORTABLE = frozenset({S.ABORTING, S.ABORTED})


class PackCommandError(ValueError):
    """Say that a command is not allowed in a state."""


def command(name: str, state: PackState) -> PackState:
    """Give the state that a command leads to; PackCommandError where the standard has no such transition."""
    if name == "stop" and state not in NOT_STOPPABLE:
        return S.STOPPING
    if name == "abort" and state not in NOT_ABORTABLE:
        return S.ABORTING
    following = COMMANDS.get((name, state))
    if following is None:
        message = f"command {name!r} is not allowed in state {state.name}"
        raise PackCommandError(message)
    return following
