"""The campaign that plants bugs and asks of the other campaigns to find them: in a file of its own, as long as they."""

from pathlib import Path

import pytest

from tests.e2e.test_faults import PLANTED, short_report

pytestmark = [pytest.mark.full, pytest.mark.timeout(900)]


def test_every_planted_bug_is_found(tmp_path: Path) -> None:
    report = short_report(PLANTED, tmp_path)
    assert report.ok, str(report)
