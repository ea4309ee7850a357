"""Whether measured times can be trusted: how long processes of this machine had to wait for a core, as the kernel counts it.

Linux calls it pressure stall information (``/proc/pressure/cpu``). Where it is switched off, the share of time in which cores
were at work (``/proc/stat``) decides whether the machine is at rest; elsewhere nothing is known.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from harness.errors import BusyMachineError

BUSY = 0.25
"""A share of time from which on what was measured in it is not dependable."""

CALM = 0.1
"""A share of the last ten seconds up to which a machine is at rest."""

WINDOW_S = 2.0
"""How long a machine is watched at a time until it is at rest, seconds."""

MOST_WAIT_S = 600.0
"""How long to wait for that, seconds."""

SOURCE = Path("/proc/pressure/cpu")
STAT = Path("/proc/stat")
VMSTAT = Path("/proc/vmstat")
IDLE_FIELDS = slice(3, 5)  # idle and iowait: see proc_stat(5)


def oom_kills(source: Path = VMSTAT) -> int:
    """Return how many processes of this machine the kernel has killed for lack of memory since it was started; 0 if unknown."""
    try:
        fields = dict(line.partition(" ")[::2] for line in source.read_text(errors="replace").splitlines())
        return int(fields.get("oom_kill", 0))
    except (OSError, ValueError):
        return 0


def waited_s(source: Path = SOURCE) -> float | None:
    """Seconds since the machine was started in which some process had no core though it could have run; None if unknown."""
    found = _field("total", source)
    return None if found is None else found / 1e6


def lately(source: Path = SOURCE) -> float | None:
    """The share of the last ten seconds, 0 to 1, in which some process waited for a core; None if unknown."""
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
    """Return the time of all cores since the machine was started: idle and in total, in clock ticks; None if unknown."""
    try:
        fields = source.read_text(errors="replace").partition("\n")[0].split()
        ticks = [float(field) for field in fields[1:9]]  # guest times after these are part of user times
    except (OSError, ValueError):
        return None
    return (sum(ticks[IDLE_FIELDS]), sum(ticks)) if fields[:1] == ["cpu"] and len(ticks) > 4 else None


def over(
    seconds: float, source: Path = SOURCE, stat: Path = STAT, sleep: Callable[[float], None] = time.sleep
) -> float | None:
    """Watch the machine for a time and return how busy it was, 0 to 1.

    The share of time in which a process waited for a core; where the kernel does not count that, the share of all cores' time
    that was not idle; None if neither is known.
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
    """The machine at rest: a question, and waiting for it.

    Attributes:
        lately: share of the last ten seconds in which something waited for a core; None if unknown.
        over: watches the machine for so many seconds; see :func:`over`.
        clock: monotonic seconds.
        most_s: longest wait, seconds.
    """

    lately: Callable[[], float | None] = lately
    over: Callable[[float], float | None] = over
    clock: Callable[[], float] = time.monotonic
    most_s: float = MOST_WAIT_S

    def now(self) -> bool:
        """Return True if the machine is known to be at rest, by the last ten seconds."""
        share = self.lately()
        return share is not None and share < CALM

    def wait(self, tell: Callable[[str], None]) -> None:
        """Return when the machine is at rest, or at once where that cannot be known.

        The last ten seconds may hold work of this program that has ended; short windows from now on decide then.

        Args:
            tell: told, once, what is waited for.

        Raises:
            BusyMachineError: it stayed busy.
        """
        began_s, told = self.clock(), False
        while not self.now():
            share = self.over(WINDOW_S)
            if share is None or share < CALM:
                return
            if self.clock() - began_s >= self.most_s:
                raise BusyMachineError(
                    f"The machine stayed busy for {self.most_s / 60:.0f} minutes ({share:.0%} of the last {WINDOW_S:.0f} s), and "
                    "retraining is measured on a machine at rest. Close other programs and run again, pass --no-wait to measure "
                    "now (the report then says that times are not dependable), or set the limit with --time-limit SECONDS."
                )
            if not told:
                tell(
                    f"The machine is busy ({share:.0%} of the last {WINDOW_S:.0f} s, at rest below {CALM:.0%}): waiting, for "
                    f"{self.most_s / 60:.0f} minutes at most, to measure retraining at rest. Close other programs, or pass "
                    "--no-wait to go on at once."
                )
                told = True


class Stopwatch:
    """The share of a span of time in which some process of this machine waited for a core.

    Args:
        waited: seconds of waiting up to now; None if unknown.
    """

    def __init__(self, waited: Callable[[], float | None] = waited_s) -> None:
        self._waited = waited
        self._before = waited()

    def share(self, elapsed_s: float) -> float | None:
        """Of the ``elapsed_s`` seconds since this was made, 0 to 1; None if unknown."""
        after = self._waited()
        if self._before is None or after is None or elapsed_s <= 0:
            return None
        return min(1.0, max(0.0, (after - self._before) / elapsed_s))


def busy(share: float | None) -> bool:
    """Whether times measured with this share are not dependable; never where it is unknown."""
    return share is not None and share > BUSY
