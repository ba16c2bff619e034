"""What did each process spend? CPU seconds and memory as the kernel counts them."""

import os
import time
from dataclasses import dataclass
from pathlib import Path

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Spent:
    """CPU seconds (user and system, its ended children included) and resident bytes."""

    cpu_seconds: float
    resident_bytes: int

    def since(self, earlier: "Spent") -> float:
        return self.cpu_seconds - earlier.cpu_seconds


def of_process(pid: int) -> Spent:
    """What one process has spent so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    ticks = sum(int(fields[index]) for index in (11, 12, 13, 14))
    return Spent(ticks / TICKS, int(fields[21]) * PAGE)


def of_family(pid: int) -> Spent:
    """What a process and all its living descendants have spent so far."""
    spent = [of_process(member) for member in family(pid)]
    return Spent(sum(s.cpu_seconds for s in spent), sum(s.resident_bytes for s in spent))


def family(pid: int) -> list[int]:
    """The process and its living descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parents[int(entry.name)] = int((entry / "stat").read_text().rsplit(")", 1)[1].split()[1])
            except (FileNotFoundError, ProcessLookupError):
                continue
    members = [pid]
    for member in members:
        members.extend(child for child, parent in parents.items() if parent == member)
    return members


def cpu_nanoseconds(pid: int) -> int:
    """What all threads of a process have spent so far, ended ones included: clock_getcpuclockid(3) of Linux."""
    return time.clock_gettime_ns((~pid << 3) | 2)
