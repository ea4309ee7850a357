"""Unique labels of runs, as short as possible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from harness.comparing.comparability import torch_of
from harness.comparing.comparison import Kind
from harness.comparing.loading import LoadedReport
from harness.report.svg.drawing import shortened
from harness.report.words import plain

MAX_CHARS = 40


def labels(loaded: Sequence[LoadedReport], kind: Kind) -> list[str]:
    """Return one label per run: the plugin's name, and version, torch, options and folder as far as needed to be unique."""
    if kind == "drift":
        return _numbered([f"torch {plain(torch_of(one.report))}" for one in loaded])
    made = [_short(one.report.plugin.name) or "unnamed" for one in loaded]
    parts: tuple[Callable[[LoadedReport], str], ...] = (_version, _torch, _options, _folder)
    for part in parts:
        made = _disambiguated(made, [part(one) for one in loaded])
    return _numbered(made)


def _disambiguated(made: Sequence[str], parts: Sequence[str]) -> list[str]:
    """Append the parts to labels that occur more than once, where the parts differ."""
    kinds: dict[str, set[str]] = {}
    for label, part in zip(made, parts, strict=True):
        kinds.setdefault(label, set()).add(part)
    return [
        f"{label} {part}".strip() if len(kinds[label]) > 1 else label for label, part in zip(made, parts, strict=True)
    ]


def _numbered(made: Sequence[str]) -> list[str]:
    """Append a number to labels that are still equal."""
    counts, seen = Counter(made), Counter[str]()
    numbered = []
    for label in made:
        seen[label] += 1
        numbered.append(f"{label} #{seen[label]}" if counts[label] > 1 else label)
    return numbered


def _version(one: LoadedReport) -> str:
    return _short(one.report.plugin.version)


def _torch(one: LoadedReport) -> str:
    return f"torch {_short(torch_of(one.report))}"


def _options(one: LoadedReport) -> str:
    return _short(", ".join(f"{name}={value}" for name, value in one.report.plugin.options.items()))


def _folder(one: LoadedReport) -> str:
    return f"({_short(one.folder.name)})" if one.folder is not None else ""


def _short(text: str) -> str:
    return shortened(plain(text), MAX_CHARS)
