"""The only reader of installed metadata. Damaged distributions are skipped and reported; they never stop a command."""

from __future__ import annotations

import importlib.metadata
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email import message_from_string

from harness_guest.entry_points import Point, normal, parse

ENTRY_POINTS = "entry_points.txt"
METADATA = ("METADATA", "PKG-INFO", "")
"""Files of a distribution's metadata: of a wheel, of an egg's folder, and of an egg that is a file itself."""


@dataclass(frozen=True)
class Installed:
    """A distribution with readable metadata.

    Attributes:
        name: name in the metadata.
        version: version in the metadata, or "unknown".
        points: entry points of all groups.
        distribution: handle for access to its files.
    """

    name: str
    version: str
    points: tuple[Point, ...]
    distribution: importlib.metadata.Distribution

    @property
    def canonical(self) -> str:
        """Return the normalised name (PEP 503)."""
        return normal(self.name)


@dataclass(frozen=True)
class Damaged:
    """A damaged distribution, and the reason."""

    place: str
    reason: str

    def __str__(self) -> str:
        """Return one sentence for the user."""
        return f"{self.place}: {self.reason}. Reinstall its distribution, or remove the folder."


def read_installed(having: str = "", path: Sequence[str] | None = None) -> tuple[list[Installed], list[Damaged]]:
    """Return the distributions on ``path``, by default ``sys.path``, and the damaged ones.

    Of several with the same name (PEP 503) the first counts, as for imports.

    Args:
        having: return only distributions with an entry point in a group with this prefix; "" for all. Skipping the others saves
            reading their metadata, which takes most of the time.
        path: folders to search; None for ``sys.path``.
    """
    found: dict[str, Installed] = {}
    damaged: list[Damaged] = []
    for distribution in importlib.metadata.distributions(path=list(sys.path if path is None else path)):
        try:
            points, faults = parse(distribution.read_text(ENTRY_POINTS) or "")
            damaged += [Damaged(_place(distribution), fault) for fault in faults]
            if having and not any(point.group.startswith(having) for point in points):
                continue
            one = _read(distribution, points)
        except Exception as error:  # third-party metadata may raise anything
            damaged.append(Damaged(_place(distribution), f"its metadata cannot be read: {_described(error)}"))
            continue
        if one is not None:
            found.setdefault(one.canonical, one)
        elif points:
            damaged.append(Damaged(_place(distribution), "its metadata has no Name"))
    return list(found.values()), damaged


def find_installed(name: str) -> Installed | None:
    """Return the first distribution with this name, in any spelling; None if there is none with readable metadata."""
    wanted = normal(name)
    for distribution in importlib.metadata.distributions(name=name):
        try:
            one = _read(distribution, parse(distribution.read_text(ENTRY_POINTS) or "")[0])
        except Exception:  # noqa: S112 -- read_installed reports it
            continue
        if one is not None and one.canonical == wanted:
            return one
    return next((one for one in read_installed()[0] if one.canonical == wanted), None)


def installed_versions(path: Sequence[str] | None = None) -> dict[str, str]:
    """Return canonical name -> version of all distributions that have a version, on ``path`` or by default ``sys.path``."""
    return {one.canonical: one.version for one in read_installed(path=path)[0] if one.version != UNKNOWN}


UNKNOWN = "unknown"


def _read(distribution: importlib.metadata.Distribution, points: list[Point]) -> Installed | None:
    text = next(filter(None, map(distribution.read_text, METADATA)), "")
    # Without the description behind the blank line, which takes most of the time of parsing.
    metadata = message_from_string(text.partition("\n\n")[0])
    if "Name" not in metadata:  # a dist-info folder left by a broken uninstallation
        return None
    return Installed(str(metadata["Name"]), str(metadata.get("Version", UNKNOWN)), tuple(points), distribution)


def _place(distribution: importlib.metadata.Distribution) -> str:
    return str(getattr(distribution, "_path", "an installed distribution"))


def _described(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def plugin_points(group: str) -> Iterator[tuple[Installed, Point]]:
    """Yield the entry points of a group with their distributions."""
    for one in read_installed(having=group)[0]:
        for point in one.points:
            if point.group == group:
                yield one, point
