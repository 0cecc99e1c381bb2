"""What the historian refuses, and why."""

from penstock.core.errors import PenstockError, RetryLater


class HistorianInUse(PenstockError):
    """Say that another process owns the historian's folder, which one, and what to do."""


class HistorianDamaged(PenstockError):
    """Say which file cannot be read, and what to do."""


class SealingFailed(PenstockError):
    """Say that a written file does not read back as what it was made of; nothing was taken away."""


class CursorExpired(PenstockError):
    """Say that a position is older than the window in which it can be followed; `oldest` is the first good one."""

    def __init__(self, position: int, oldest: int, oldest_arrival_ns: int) -> None:
        super().__init__(
            f"position {position} is older than the window in which commits can be followed, which begins at {oldest}; "
            "read what lies before by /v1/samples, then go on from there",
            position=position,
            oldest=oldest,
        )
        self.oldest = oldest
        self.oldest_arrival_ns = oldest_arrival_ns


class KeyReused(PenstockError):
    """Say that an idempotency key came before with other content."""


class TooManyRows(PenstockError):
    """Say that a question would read more rows than the bound."""

    def __init__(self, limit: int, what: str) -> None:
        super().__init__(
            f"{what} holds more than {limit} rows, the limit of one question; ask for a shorter range", limit=limit
        )
        self.limit = limit


class NotNow(RetryLater):
    """Say why nothing can be taken at this moment: queue full, disk full, store reopening."""

    def __init__(self, after_ms: int, message: str) -> None:
        super().__init__(after_ms, message)
