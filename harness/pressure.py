"""Whether measured times can be trusted: how long processes of this machine had to wait for a core, as the kernel counts it.

Linux calls it pressure stall information (``/proc/pressure/cpu``); elsewhere, or where it is switched off, nothing is known.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

BUSY = 0.25
"""A share of time from which on what was measured in it is not dependable."""

CALM = 0.1
"""A share of the last ten seconds up to which a machine is at rest."""

SOURCE = Path("/proc/pressure/cpu")


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
        line = source.read_text().partition("\n")[0]
    except OSError:
        return None
    fields = dict(part.partition("=")[::2] for part in line.split()[1:])
    try:
        return float(fields[name])
    except (KeyError, ValueError):
        return None


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
