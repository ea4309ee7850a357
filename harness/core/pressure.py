"""CPU pressure of the machine, which decides whether measured times are reliable.

The source is Linux's pressure stall information (``/proc/pressure/cpu``): the time in which some process waited for a core. If it
is disabled, CPU utilisation (``/proc/stat``) decides whether the machine is idle. If neither is available, the load is unknown.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BusyMachineError

BUSY = 0.25
"""CPU pressure above which times measured under it are not reliable, 0 to 1."""

CALM = 0.1
"""CPU pressure over the last 10 s below which the machine counts as idle, 0 to 1."""

WINDOW_S = 2.0
"""Length of one load measurement while waiting for an idle machine, seconds."""

MOST_WAIT_S = 600.0
"""Timeout of waiting for an idle machine, seconds."""

SOURCE = Path("/proc/pressure/cpu")
STAT = Path("/proc/stat")
VMSTAT = Path("/proc/vmstat")
IDLE_FIELDS = slice(3, 5)  # idle and iowait: see proc_stat(5)


def oom_kills(source: Path = VMSTAT) -> int:
    """Return the number of out-of-memory kills on this machine since boot; 0 if unknown."""
    try:
        fields = dict(line.partition(" ")[::2] for line in source.read_text(errors="replace").splitlines())
        return int(fields.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0


def waited_s(source: Path = SOURCE) -> float | None:
    """Return the seconds since boot in which some runnable process waited for a core; None if unknown."""
    found = _field("total", source)
    return None if found is None else found / 1e6


def lately(source: Path = SOURCE) -> float | None:
    """Return the CPU pressure over the last 10 s, 0 to 1; None if unknown."""
    found = _field("avg10", source)
    return None if found is None else found / 100


def _field(name: str, source: Path) -> float | None:
    try:
        line = source.read_text(errors="replace").partition("\n")[0]
    except OSError:
        return None
    fields = dict(part.partition("=")[::2] for part in line.split()[1:])
    try:
        return float(fields[name])
    except (KeyError, ValueError):
        return None


def core_times(source: Path = STAT) -> tuple[float, float] | None:
    """Return the idle and the total time of all cores since boot, in clock ticks; None if unknown."""
    try:
        fields = source.read_text(errors="replace").partition("\n")[0].split()
        ticks = [float(field) for field in fields[1:9]]  # guest times, which follow, are already part of user times
    except (OSError, ValueError):
        return None
    return (sum(ticks[IDLE_FIELDS]), sum(ticks)) if fields[:1] == ["cpu"] and len(ticks) > 4 else None


def over(
    seconds: float, source: Path = SOURCE, stat: Path = STAT, sleep: Callable[[float], None] = time.sleep
) -> float | None:
    """Measure the machine's load over ``seconds`` and return it, 0 to 1.

    The load is the CPU pressure; if the kernel does not report it, the CPU utilisation of all cores; None if neither is known.
    """
    watch, before, began_s = Stopwatch(lambda: waited_s(source)), core_times(stat), time.monotonic()
    sleep(seconds)
    share = watch.share(max(seconds, time.monotonic() - began_s))
    after = core_times(stat)
    if share is not None or before is None or after is None or after[1] <= before[1]:
        return share
    return 1.0 - (after[0] - before[0]) / (after[1] - before[1])


@dataclass(frozen=True)
class Rest:
    """A check and a wait for an idle machine.

    Attributes:
        lately: returns the CPU pressure over the last 10 s; see :func:`lately`.
        over: measures the load over some seconds; see :func:`over`.
        clock: returns monotonic seconds.
        most_s: timeout of :meth:`wait`, seconds.
    """

    lately: Callable[[], float | None] = lately
    over: Callable[[float], float | None] = over
    clock: Callable[[], float] = time.monotonic
    most_s: float = MOST_WAIT_S

    def now(self) -> bool:
        """Return True if the machine is known to have been idle over the last 10 s."""
        share = self.lately()
        return share is not None and share < CALM

    def wait(self, tell: Callable[[str], None]) -> None:
        """Wait until the machine is idle; return at once if its load is unknown.

        The last 10 s may include finished work of this program, so short measurements from now on decide instead.

        Args:
            tell: called once with a message if the wait is not over at once.

        Raises:
            BusyMachineError: the machine was still busy after ``most_s``.
        """
        began_s, notified = self.clock(), False
        while not self.now():
            share = self.over(WINDOW_S)
            if share is None or share < CALM:
                return
            if self.clock() - began_s >= self.most_s:
                raise BusyMachineError(
                    f"The machine stayed busy for {self.most_s / 60:.0f} minutes ({share:.0%} of the last {WINDOW_S:.0f} s), but "
                    "retraining must be measured on an idle machine. Close other programs and run again, pass --no-wait to "
                    "measure now (the report then marks times as not dependable), or set the limit with --time-limit SECONDS."
                )
            if not notified:
                tell(
                    f"The machine is busy ({share:.0%} of the last {WINDOW_S:.0f} s, idle below {CALM:.0%}). Waiting at most "
                    f"{self.most_s / 60:.0f} minutes to measure retraining on an idle machine. Close other programs, or pass "
                    "--no-wait to continue at once."
                )
                notified = True


class Stopwatch:
    """A measurement of the CPU pressure since its creation.

    Args:
        waited: returns the cumulative waiting time, seconds; None if unknown.
    """

    def __init__(self, waited: Callable[[], float | None] = waited_s) -> None:
        self._waited = waited
        self._before = waited()

    def share(self, elapsed_s: float) -> float | None:
        """Return the CPU pressure over the ``elapsed_s`` seconds since creation, 0 to 1; None if unknown."""
        after = self._waited()
        if self._before is None or after is None or elapsed_s <= 0:
            return None
        return min(1.0, max(0.0, (after - self._before) / elapsed_s))


def busy(share: float | None) -> bool:
    """Return True if times measured under this CPU pressure are not reliable; False if it is unknown."""
    return share is not None and share > BUSY
