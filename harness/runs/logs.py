"""Terminal output of ``harness logs``: what a run's models printed and how they ended.

A plugin's output is prefixed with a bar, so that it cannot imitate the harness's lines.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

from harness.core.outcomes import Evidence, LogCapture, ModelOutcome
from harness.core.text import harmless
from harness.errors import UsageError
from harness.runs.store import RunStore

BAR = "| "


def run_log(folder: Path) -> Iterator[str]:
    """Yield the output of every model of a run with the errors of failed ones, and the numbers of models without output.

    Raises:
        RunNotFoundError: if there is no run or it is damaged.
    """
    store = RunStore.open(folder)
    ended = store.finished()
    speaking = [outcome for outcome in ended.values() if _said_something(outcome.log)]
    for outcome in ended.values():
        if outcome in speaking or not outcome.status.finished:
            yield _header(outcome)
            yield from _error(outcome.evidence, with_traceback=False)
            yield from _output(outcome.log)
            yield ""
    yield from _silence(folder, ended, speaking, [index for index in store.begun() if index not in ended])


def model_log(folder: Path, index: int) -> Iterator[str]:
    """Yield how one model ended, advice, errors and its output.

    Raises:
        RunNotFoundError: if there is no run or it is damaged.
        UsageError: if no model of this index has started.
    """
    store = RunStore.open(folder)
    ended, begun = store.finished(), store.begun()
    if index in ended:
        yield from _whole(ended[index])
    elif index in begun:
        yield f"Model {index} has not ended yet; its output is written when it ends."
        yield from _listed("earlier attempt", begun[index])
    else:
        raise UsageError(f"{folder} has no model {index} yet. {_have(sorted({*ended, *begun}))}")


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
    """Return a line with index, status, seconds, number of attempts if above 1, and dropped bytes if any."""
    parts = [outcome.status.value]
    parts.append("never started" if outcome.charged_s is None else f"{outcome.charged_s:.2f} s")
    if outcome.attempts > 1:
        parts.append(f"{outcome.attempts} attempts")
    if outcome.log.dropped_bytes:
        parts.append(f"{outcome.log.dropped_bytes:,} bytes dropped")
    return f"model {outcome.index}: {', '.join(parts)}"


def _error(evidence: Evidence, *, with_traceback: bool = True) -> Iterator[str]:
    if evidence.error_type is not None or evidence.error_message is not None:
        yield "error:"
        yield from _quoted(": ".join(text for text in (evidence.error_type, evidence.error_message) if text))
    if evidence.traceback and with_traceback:
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
    """Yield the lines prefixed with a bar, with control characters escaped."""
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
        yield f"Not ended yet: {_numbers(under_way)}."
    if not ended and not under_way:
        yield f"No model of {folder} has started yet."


def _have(indices: Sequence[int]) -> str:
    return f"It has {_numbers(indices)}." if indices else "No model has started yet."


def _numbers(indices: Sequence[int]) -> str:
    """Return e.g. "model 3" or "models 0 to 2, 5"."""
    spans: list[tuple[int, int]] = []
    for index in indices:
        if spans and spans[-1][1] == index - 1:
            spans[-1] = (spans[-1][0], index)
        else:
            spans.append((index, index))
    text = ", ".join(str(first) if first == last else f"{first} to {last}" for first, last in spans)
    return f"{'model' if len(indices) == 1 else 'models'} {text}"
