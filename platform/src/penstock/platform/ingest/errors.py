"""What the ingest door answers to a writer instead of a commit."""

from penstock.core.errors import PenstockError
from penstock.platform.kit.problems import Problem, forbidden


class DictionaryNeeded(PenstockError):
    """Say that a batch uses an index that no dictionary of its epoch has explained."""

    def __init__(self, epoch: str, seq: int, index: int) -> None:
        super().__init__(f"batch {seq} of epoch {epoch} uses index {index}", epoch=epoch, seq=seq, index=index)
        self.epoch, self.seq, self.index = epoch, seq, index


def dictionary_needed(error: DictionaryNeeded) -> Problem:
    """Make the 409 that asks for the dictionary; nothing of the request was committed."""
    detail = (
        f"Index {error.index} in batch {error.seq} is unknown here. Send the dictionary of epoch {error.epoch}, "
        "then the batches again; nothing of this request was committed."
    )
    return Problem(409, "dictionary-needed", detail, epoch=error.epoch, seq=error.seq, index=error.index)


def session_superseded(mine: int, newest: int, epoch: str) -> Problem:
    """Make the 409 that stops an older sender; `session` and `epoch` are the newer session's."""
    detail = (
        f"Session {mine} is over: session {newest} was granted to this gateway's credential. If this is the same "
        "gateway, it asks for a new session at its next start; if not, two gateways use one credential: enrol one anew."
    )
    return Problem(409, "session-superseded", detail, session=newest, epoch=epoch, refused=mine)


def session_needed(mine: int | None, newest: int) -> Problem:
    """Make the 409 of a session that this platform never granted."""
    given = "no Penstock-Session header" if mine is None else f"session {mine}, which was never granted"
    detail = f"The request carries {given}. POST /v1/gateways/session first, then send with the number it gives."
    return Problem(409, "session-unknown", detail, session=mine, newest=newest)


def not_owner(key: str) -> Problem:
    """Make the 403 of a tag that belongs to another writer."""
    return forbidden(f"Tag {key} belongs to another writer; only its owner writes it. Make a tag of your own.", tag=key)


def too_large(what: str, limit: int, unit: str) -> Problem:
    """Make the 413 that names the limit."""
    return Problem(413, "too-large", f"{what} is larger than {limit} {unit}, the limit; send less at once.")
