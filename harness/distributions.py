"""The one reader of installed metadata: a damaged distribution of a stranger is skipped and named, and stops no command."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from dataclasses import dataclass

from harness_guest.entry_points import Point, normal, parse

ENTRY_POINTS = "entry_points.txt"


@dataclass(frozen=True)
class Installed:
    """A distribution whose metadata can be read.

    Attributes:
        name: as its metadata have it.
        version: of it, or "unknown".
        points: its entry points, all groups.
        distribution: where its files are found.
    """

    name: str
    version: str
    points: tuple[Point, ...]
    distribution: importlib.metadata.Distribution

    @property
    def canonical(self) -> str:
        """The normal form of its name (PEP 503)."""
        return normal(self.name)


@dataclass(frozen=True)
class Damaged:
    """A distribution that cannot be used in full, and why."""

    place: str
    reason: str

    def __str__(self) -> str:
        """Return one sentence for the user."""
        return f"{self.place}: {self.reason}. Install its distribution again, or remove the folder."


def read_installed(having: str = "") -> tuple[list[Installed], list[Damaged]]:
    """Return the distributions on ``sys.path`` and what is damaged.

    Of several with one name (PEP 503) the first counts, as for an import.

    Args:
        having: beginning of the group of an entry point that a distribution must have to be returned; reading the metadata of the
            others, most of all, takes longest. "" for all distributions.
    """
    found: dict[str, Installed] = {}
    damaged: list[Damaged] = []
    for distribution in importlib.metadata.distributions():
        try:
            points, faults = parse(distribution.read_text(ENTRY_POINTS) or "")
            damaged += [Damaged(_place(distribution), fault) for fault in faults]
            if having and not any(point.group.startswith(having) for point in points):
                continue
            one = _read(distribution, points)
        except Exception as error:  # a stranger's files may be anything
            damaged.append(Damaged(_place(distribution), f"its metadata cannot be read: {_told(error)}"))
            continue
        if one is not None:
            found.setdefault(one.canonical, one)
        elif points:
            damaged.append(Damaged(_place(distribution), "its metadata have no name"))
    return list(found.values()), damaged


def find_installed(name: str) -> Installed | None:
    """Return the first distribution of a name in any form; None where none can be read."""
    wanted = normal(name)
    for distribution in importlib.metadata.distributions(name=name):
        try:
            one = _read(distribution, parse(distribution.read_text(ENTRY_POINTS) or "")[0])
        except Exception:  # noqa: S112 -- read_installed names it
            continue
        if one is not None and one.canonical == wanted:
            return one
    return next((one for one in read_installed()[0] if one.canonical == wanted), None)


def installed_versions() -> dict[str, str]:
    """Return canonical name -> version of all that is installed and has one."""
    return {one.canonical: one.version for one in read_installed()[0] if one.version != UNKNOWN}


UNKNOWN = "unknown"


def _read(distribution: importlib.metadata.Distribution, points: list[Point]) -> Installed | None:
    metadata = distribution.metadata
    if metadata is None or "Name" not in metadata:  # a broken installation left a dist-info folder behind
        return None
    versions = metadata.get_all("Version") or [UNKNOWN]
    return Installed(str(metadata["Name"]), str(versions[0]), tuple(points), distribution)


def _place(distribution: importlib.metadata.Distribution) -> str:
    return str(getattr(distribution, "_path", "an installed distribution"))


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def plugin_points(group: str) -> Iterator[tuple[Installed, Point]]:
    """Yield the entry points of a group with their distributions."""
    for one in read_installed(having=group)[0]:
        for point in one.points:
            if point.group == group:
                yield one, point
