"""What models printed and how they ended, read from a run folder whether the run has ended or not, as lines for a terminal.

What a plugin wrote stands behind a bar at the left, so that nothing it prints can be taken for a line of ours.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.errors import UsageError
from harness.outcomes import Evidence, LogCapture, ModelOutcome
from harness.store import RunStore
from harness.text import harmless

BAR = "| "


def run_log(folder: Path) -> Iterator[str]:
    """Lines on every model of a run that printed something, and on which ones did not.

    Raises:
        RunNotFoundError: no run there, or a damaged one.
    """
    store = RunStore.open(folder)
    ended = store.finished()
    speaking = [outcome for outcome in ended.values() if _said_something(outcome.log)]
    for outcome in speaking:
        yield _header(outcome)
        yield from _output(outcome.log)
        yield ""
    yield from _silence(folder, ended, speaking, [index for index in store.begun() if index not in ended])


def model_log(folder: Path, index: int) -> Iterator[str]:
    """Lines on one model: how it ended and why, what to do about it, what it printed.

    Raises:
        RunNotFoundError: no run there, or a damaged one.
        UsageError: the run has not come to a model of this index.
    """
    store = RunStore.open(folder)
    ended, begun = store.finished(), store.begun()
    if index in ended:
        yield from _whole(ended[index])
    elif index in begun:
        yield f"Model {index} has been begun and has not ended; its output is kept when it ends."
        yield from _listed("earlier attempt", begun[index])
    else:
        raise UsageError(f"{folder} has no model {index} so far. {_have(sorted({*ended, *begun}))}")


def _whole(outcome: ModelOutcome) -> Iterator[str]:
    yield _header(outcome)
    if outcome.advice:
        yield harmless(outcome.advice)
    yield from _listed("earlier attempt", outcome.earlier_attempts)
    yield from _error(outcome.evidence)
    yield from _listed("note", outcome.evidence.notes)
    yield from _output(outcome.log)
    if not _said_something(outcome.log):
        yield "It printed nothing."


def _header(outcome: ModelOutcome) -> str:
    """One line: index, status, seconds, attempts where more than one, dropped bytes where any."""
    parts = [outcome.status.value]
    parts.append("never started" if outcome.charged_s is None else f"{outcome.charged_s:.2f} s")
    if outcome.attempts > 1:
        parts.append(f"{outcome.attempts} attempts")
    if outcome.log.dropped_bytes:
        parts.append(f"{outcome.log.dropped_bytes:,} bytes dropped")
    return f"model {outcome.index}: {', '.join(parts)}"


def _error(evidence: Evidence) -> Iterator[str]:
    if evidence.error_type is not None or evidence.error_message is not None:
        yield "error:"
        yield from _quoted(": ".join(text for text in (evidence.error_type, evidence.error_message) if text))
    if evidence.traceback:
        yield "traceback:"
        yield from _quoted(evidence.traceback)


def _output(log: LogCapture) -> Iterator[str]:
    if not _said_something(log):
        return
    yield "output:"
    yield from _quoted(log.head)
    if log.dropped_bytes:
        yield f"… {log.dropped_bytes:,} bytes dropped …"
    yield from _quoted(log.tail)


def _listed(name: str, texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        first, *others = harmless(text).split("\n")
        yield f"{name}: {first}"
        yield from (BAR + line for line in others)


def _quoted(text: str) -> Iterator[str]:
    """The text behind a bar, harmless whoever wrote the run folder."""
    if text:
        yield from (BAR + line for line in harmless(text).removesuffix("\n").split("\n"))


def _said_something(log: LogCapture) -> bool:
    return bool(log.head or log.tail or log.dropped_bytes)


def _silence(
    folder: Path, ended: Mapping[int, ModelOutcome], speaking: Sequence[ModelOutcome], under_way: Sequence[int]
) -> Iterator[str]:
    silent = sorted(set(ended) - {outcome.index for outcome in speaking})
    if silent:
        yield f"Printed nothing: {_numbers(silent)}."
    if under_way:
        yield f"Begun and not ended: {_numbers(under_way)}."
    if not ended and not under_way:
        yield f"No model of {folder} has been begun yet."


def _have(indices: Sequence[int]) -> str:
    return f"It has {_numbers(indices)}." if indices else "None has been begun yet."


def _numbers(indices: Sequence[int]) -> str:
    """``model 3`` or ``models 0 to 2, 5``."""
    spans: list[tuple[int, int]] = []
    for index in indices:
        if spans and spans[-1][1] == index - 1:
            spans[-1] = (spans[-1][0], index)
        else:
            spans.append((index, index))
    text = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)
    return f"{'model' if len(indices) == 1 else 'models'} {text}"
