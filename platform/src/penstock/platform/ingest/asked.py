"""Which batches were answered "send the dictionary": a second unknown index after it came is the batch's own fault."""

from collections import OrderedDict

ASKED_MAX = 10_000
"""Batches remembered; a gateway has far fewer in flight, and a forgotten one is only asked for once more."""


class Asked:
    """Remember the batches that wait for a dictionary, and for which of them it has come."""

    def __init__(self) -> None:
        self._waiting: OrderedDict[tuple[str, str, int], bool] = OrderedDict()

    def ask(self, gateway: str, epoch: str, seq: int) -> None:
        """Note that the batch was answered so."""
        self._waiting[gateway, epoch, seq] = False
        if len(self._waiting) > ASKED_MAX:
            self._waiting.popitem(last=False)

    def dictionary_came(self, gateway: str, epoch: str) -> None:
        """Note that the dictionary of the epoch was taken."""
        for key in list(self._waiting):
            if key[:2] == (gateway, epoch):
                self._waiting[key] = True

    def was_answered(self, gateway: str, epoch: str, seq: int) -> bool:
        """Say whether the dictionary came since the batch was answered so."""
        return self._waiting.get((gateway, epoch, seq), False)

    def forget(self, gateway: str, epoch: str, seq: int) -> None:
        """Note that the batch is through."""
        self._waiting.pop((gateway, epoch, seq), None)
