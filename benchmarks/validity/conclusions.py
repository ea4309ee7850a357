"""What the tables say, in sentences that are made from them."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from benchmarks.pages import listed, markdown
from benchmarks.validity.findings import Summary
from benchmarks.validity.levels import LEVELS
from benchmarks.validity.study import Study

Test = Callable[[Summary], bool]


def text(studies: Sequence[Study]) -> str:
    """Return the findings as a list, and the table of the most sensitive metrics."""
    points = [_right(studies), _wrong(studies), _unsure(studies), _blind(studies), _alarms(studies), _silent(studies)]
    title = "The most sensitive metrics, by the smallest share that is told (estimated):"
    return f"{listed(points)}\n{title}\n\n{sensitive(studies)}"


def names_where(studies: Sequence[Study], test: Test, *, everywhere: bool) -> list[str]:
    """Return the metrics that pass ``test`` for every task and N with a value (``everywhere``), or for some."""
    names = dict.fromkeys(name for one in studies for name in one.metrics())
    combine = all if everywhere else any
    return [name for name in names if combine(test(found) for _, _, found in cells(studies, name))]


def cells(studies: Sequence[Study], name: str) -> list[tuple[Study, int, Summary]]:
    """Return task, N and summary of one metric wherever it has a value."""
    return [(one, n, found[name]) for one in studies for n, found in one.summaries.items() if name in found]


def _right(studies: Sequence[Study]) -> str:
    always = names_where(studies, lambda one: one.orders("right") == len(one.blocks), everywhere=True)
    names = dict.fromkeys(name for one in studies for name in one.metrics())
    good = names_where(studies, lambda one: one.orders("wrong") + one.orders("unsure") == 0, everywhere=True)
    return (
        f"The true order on every task, N and block: {len(always)} of {len(names)} metrics, {quoted(always)}. "
        f"On every one true but for what chance explains: {len(good) - len(always)} more."
    )


def _wrong(studies: Sequence[Study]) -> str:
    found = _where(studies, lambda one: one.orders("wrong") > 0)
    return f"**Fail to rank** on some block, by more than chance explains: {found}."


def _unsure(studies: Sequence[Study]) -> str:
    found = _where(studies, lambda one: one.orders("unsure") > 0)
    return f"Not strictly the true order on some block, and no interval to say why: {found}."


def _blind(studies: Sequence[Study]) -> str:
    found = _where(studies, lambda one: one.has_interval and one.detects_from is None)
    return f"**Blind**, not telling even the no-op on every block: {found}."


def _where(studies: Sequence[Study], test: Test) -> str:
    """Return the metrics that pass ``test`` somewhere, with the tasks and N where they do."""
    parts = []
    for name in names_where(studies, test, everywhere=False):
        where: dict[str, list[str]] = {}
        for one, n, found in cells(studies, name):
            if test(found):
                where.setdefault(one.task, []).append(str(n))
        parts.append(f"`{name}` ({'; '.join(' '.join((task, *sizes)) for task, sizes in where.items())})")
    return ", ".join(parts) or "none"


def sensitive(studies: Sequence[Study], count: int = 5) -> str:
    """Return the metrics that tell the smallest shares, a row a task and N: by the first detected level, then by the estimate."""
    rows = []
    for one in studies:
        for n, found in one.summaries.items():
            seen = {
                name: (summary.detects_from, share)
                for name, summary in found.items()
                if summary.detects_from and (share := summary.visible_share) is not None
            }
            ranked = sorted(seen, key=lambda name: seen[name])[:count]
            rows.append(
                [one.task, str(n), ", ".join(f"`{name}` {percent(seen[name][1])}" for name in ranked) or "none"]
            )
    return markdown(["task", "N", "metrics"], rows)


def _alarms(studies: Sequence[Study]) -> str:
    """Return the number of false alarms: retraining distinguished from perfect."""
    alarms: dict[str, int] = {}
    tests = 0
    for name in dict.fromkeys(name for one in studies for name in one.metrics()):
        found = [summary for _, _, summary in cells(studies, name) if summary.has_interval]
        tests += sum(len(summary.blocks) for summary in found)
        alarms[name] = sum(summary.told(0) for summary in found)
    by = ", ".join(f"`{name}` {count}" for name, count in alarms.items() if count)
    total = sum(alarms.values())
    return (
        f"False alarms, where {LEVELS[0].name} is told from perfect: {total} of {tests} tests{f' ({by})' if by else ''}; "
        "about 5 % are expected. Metrics of one block are not independent of each other."
    )


def _silent(studies: Sequence[Study]) -> str:
    names = names_where(studies, lambda one: not one.has_interval, everywhere=True)
    return f"Without interval, so that nothing is told: {quoted(names)}."


def quoted(names: Sequence[str]) -> str:
    """Return the names as inline code."""
    return ", ".join(f"`{name}`" for name in names) or "none"


def percent(share: float) -> str:
    """Return a share as a percentage."""
    return f"{100 * share:.0f} %" if share >= 0.005 else "under 1 %"
