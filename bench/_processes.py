"""What processes cost: CPU seconds and proportional memory, read from the kernel."""

from pathlib import Path

import psutil

MIB = 2**20


def cpu_s(pid: int) -> float:
    """Give user and system time of a process and of the children it has waited for."""
    times = psutil.Process(pid).cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)


def pss_MiB(pid: int) -> float:
    """Give the proportional set size: what is shared counts by its share, so that a sum over processes is true."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) * 1024 / MIB
    message = f"/proc/{pid}/smaps_rollup has no Pss"
    raise LookupError(message)


def rss_MiB(pid: int) -> float:
    """Give the resident set size, shared pages counted whole."""
    return float(psutil.Process(pid).memory_info().rss / MIB)


def load() -> float:
    """Give the machine's load average of the last minute."""
    return psutil.getloadavg()[0]
