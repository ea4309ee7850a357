"""Wording of a comparison, shared by terminal, page and files."""

from __future__ import annotations

from dataclasses import dataclass

from harness.comparing.comparison import FAMILY_ERROR, Cell, Comparison, Row
from harness.report.words import label, plain, spanned


@dataclass(frozen=True)
class Said:
    """A marked difference in words.

    Attributes:
        sign: one character that does not depend on colour.
        word: one word.
        meaning: a phrase, e.g. "closer to perfect than finetune".
        tone: "good", "bad" or "other".
    """

    sign: str
    word: str
    meaning: str
    tone: str


def said(comparison: Comparison, cell: Cell) -> Said | None:
    """Return the wording of a cell's difference; None if it is not marked."""
    difference = cell.difference
    if difference is None or not difference.mark:
        return None
    first = plain(comparison.methods[0].label)
    if comparison.kind == "drift":
        up = difference.value > 0
        word = "rose" if up else "fell"
        return Said("▲" if up else "▼", word, f"{word} against {first}", "other")
    words = {
        "better": Said("▲", "better", f"better than {first}", "good"),
        "worse": Said("▼", "worse", f"worse than {first}", "bad"),
        "closer": Said("▲", "closer", f"closer to perfect than {first}", "good"),
        "farther": Said("▼", "farther", f"farther from perfect than {first}", "bad"),
    }
    return words.get(difference.mark, Said("≠", "differs", f"differs from {first}", "other"))


def rule(comparison: Comparison) -> str:
    """Return what a mark means, in one or two sentences."""
    first = plain(comparison.methods[0].label)
    if not comparison.comparisons:
        return "No difference is marked: no metric has an interval in at least two of these runs."
    pairs = "difference was" if comparison.comparisons == 1 else "differences were"
    return (
        f"Marks show significant differences from {first}. {comparison.comparisons} {pairs} tested together, corrected after "
        f"Holm: the chance of any false mark is at most {100 * FAMILY_ERROR:g} %, provided that the intervals are valid."
    )


def title(comparison: Comparison) -> str:
    """Return the comparison's title."""
    task = plain(comparison.task.name)
    if comparison.kind == "drift":
        plugin = comparison.methods[0].report.plugin
        return f"{plain(plugin.name)} {plain(plugin.version)} on {task}: {len(comparison.methods)} versions of torch"
    return f"{len(comparison.methods)} methods on {task}"


def measured(comparison: Comparison) -> str:
    """Return the number of models and examples, and the baseline."""
    sizes = comparison.task.split_sizes
    return (
        f"{comparison.models} models per population; {sizes.get('forget', 0)} examples to forget, "
        f"{sizes.get('retain', 0)} to keep. Baseline: the first run, {plain(comparison.methods[0].label)}."
    )


def ends_of_scale(row: Row) -> tuple[str, str]:
    """Return control and no-op over all runs: one number, or the lowest and the highest."""
    records = [cell.metric for cell in row.cells if cell.metric is not None]
    unit = row.metric.unit
    return (
        spanned([one.control for one in records], unit),
        spanned([one.noop for one in records], unit),
    )


def heading(row: Row) -> str:
    """Return the metric's readable name."""
    return label(row.evaluator, row.metric)


def unjudged(comparison: Comparison) -> list[str]:
    """Return why some numbers are never marked, one sentence per reason."""
    reasons: dict[str, list[str]] = {}
    for row in comparison.rows:
        for why in dict.fromkeys(cell.unjudged for cell in row.cells if cell.unjudged):
            reasons.setdefault(why, []).append(heading(row))
    return [f"Never marked: {why} ({_few(names)})." for why, names in reasons.items()]


def _few(names: list[str], limit: int = 6) -> str:
    return ", ".join(names[:limit]) + (f" and {len(names) - limit} more" if len(names) > limit else "")
