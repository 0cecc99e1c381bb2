"""The source ledger: what the simulated devices really said, kept outside the product, and the judge that compares."""

from penstock.simulators.ledger.judge import Row, Verdict, judge
from penstock.simulators.ledger.log import Entry, Ledger, LedgerError, LedgerWriter, read_ledger

__all__ = ["Entry", "Ledger", "LedgerError", "LedgerWriter", "Row", "Verdict", "judge", "read_ledger"]
