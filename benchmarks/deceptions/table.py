"""The table of verdicts: one row a submission, one column a number of models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from benchmarks.deceptions.judging import Judgement
from benchmarks.pages import markdown


def rows(judgements: Sequence[Judgement]) -> list[list[str]]:
    """Return the cells: name, what is left, then the verdicts' words at each number of models."""
    sizes = sorted({one.models for one in judgements})
    names = dict.fromkeys(one.deception.name for one in judgements)
    table = []
    for name in names:
        mine = [one for one in judgements if one.deception.name == name]
        cells = [_words([one for one in mine if one.models == size]) for size in sizes]
        left = sum(one.left for one in mine) / len(mine)
        table.append([name, "–" if mine[0].deception.honest else f"{100 * left:.0f} %", *cells])
    return table


def header(judgements: Sequence[Judgement]) -> list[str]:
    """Return the head of each column."""
    return ["submission", "left", *(f"N = {size}" for size in sorted({one.models for one in judgements}))]


def _words(judgements: Sequence[Judgement]) -> str:
    """Return each word with its count where there is more than one draw; marked where a rule is broken in a draw."""
    if not judgements:
        return ""
    counts = Counter(one.level for one in judgements)
    bad = {one.level for one in judgements if one.breach}
    parts = []
    for level, count in counts.most_common():
        times = f" {count}" if len(judgements) > 1 else ""
        parts.append(f"{level}{times}{' (!)' if level in bad else ''}")
    return ", ".join(parts)


def text(judgements: Sequence[Judgement]) -> str:
    """Return the table for a terminal."""
    return markdown(header(judgements), rows(judgements))
