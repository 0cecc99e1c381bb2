"""A2, A3: power cuts under the real files of journal, historian, registry and certificates.

The real writer runs once under the recorder; then the disk is laid out as a cut may leave it, the real code opens it
again, and the judge says what is missing of what the writer had told. Many cuts of one record, several records.
"""

import json
import sys
from collections.abc import Callable, Iterator, Sequence

from tests.faults.campaign import Campaign, Options, Result, fresh
from tests.faults.disk import Policy, Record, build, choose_cuts
from tests.faults.recorder import record
from tests.faults.stores import certificates, historian, journal, registry

CUTS_PER_RECORD = 150
JUDGES = {
    "journal": journal.judge,
    "historian": historian.judge,
    "registry": registry.judge,
    "certificates": certificates.judge,
}
STEPS = {"journal": (100, 30), "historian": (50, 16), "registry": (3, 1), "certificates": (1, 1)}
"""Steps of the writer in a full record and in a short one."""
CONTROL = {"journal": "synchronous=NORMAL", "historian": "folder not synced"}
"""The same writer without one of its syncs: the harness must see the loss, or it sees nothing."""


def record_writer(store: str, options: Options, number: int, plant: str = "") -> Record:
    """Run the store's writer under the recorder, in a short form for few cuts."""
    steps = STEPS[store][options.n < CUTS_PER_RECORD]
    with fresh(options.folder / "run") as run:
        writer = [sys.executable, "-m", "tests.faults.write", store, str(run), str(options.seed + number), str(steps)]
        return record([*writer, *([plant] if plant else [])], run, options.folder / "strace.log")


def findings_of(
    store: str,
    found: Record,
    options: Options,
    n: int,
    policies: Sequence[Policy] = tuple(Policy),
    *,
    write_min: int = 0,
) -> Iterator[str]:
    """Cut the record n times, open and judge each state; give the findings as they come."""
    for cut in choose_cuts(found, options.chance, n, policies, write_min=write_min):
        told = [json.loads(line) for line in found.told(cut.at)]
        with fresh(options.folder / "disk") as disk:
            build(found, cut, disk)
            yield from (f"{store}: {cut}: {finding}" for finding in JUDGES[store](disk, told)[:3])


def campaign_of(store: str) -> Callable[[Options], Result]:
    """Give the campaign of a store."""

    def run(options: Options) -> Result:
        result = Result()
        records = max(1, options.n // CUTS_PER_RECORD)
        for number in range(records):
            found = record_writer(store, options, number)
            n = options.n // records
            result.failures += findings_of(store, found, options, n)
            result.n += n
            result.count("operations", len(found.operations))
        if store in CONTROL:
            _control(store, options, result)
        return result

    return run


def _control(store: str, options: Options, result: Result) -> None:
    plant = CONTROL[store]
    n = max(20, options.n // 10)
    found = record_writer(store, options, 0, plant)
    findings = findings_of(store, found, options, n, [Policy.NONE])
    with_loss = len({finding.split(": lost", 1)[0] for finding in findings if ": lost" in finding})
    result.figures[f"control ({plant})"] = f"{with_loss} of {n} cuts with loss"
    if not with_loss:
        result.failures.append(f"the control ({plant}) shows no loss in {n} cuts: the harness is blind")


CAMPAIGNS = [
    Campaign("power-journal", "A2", "power cuts under the gateway's journal", 600, 40, campaign_of("journal")),
    Campaign("power-historian", "A2", "power cuts under the historian's files", 450, 25, campaign_of("historian")),
    Campaign("power-registry", "A2", "power cuts under registry, keys, secrets", 300, 25, campaign_of("registry")),
    Campaign("power-certificate", "A2", "power cuts under OPC UA certificates", 150, 20, campaign_of("certificates")),
]
