"""The terminal summary of a run, for readers who do not know the metrics; it fits into 80 columns."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from rich import box
from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from harness.evaluation import Metric
from harness.report.budget_words import slow_sentence, undependable_sentence, used_sentence
from harness.report.document import Report
from harness.report.journal_words import journal_sentences
from harness.report.time_words import model_sentence, phase_sentence
from harness.report.twin_words import twin_sentence
from harness.report.words import (
    VERDICT_TONE,
    VERDICT_WORDS,
    WANTED,
    FailureGroup,
    failures,
    gist,
    headlines,
    interval,
    label,
    number,
    originals_text,
    plain,
)
from harness_guest.texts import shortened

MAX_ERROR_CHARS = 300
"""Longest error of an evaluator on the terminal."""

TONE_STYLE = {"good": "bold green", "fair": "bold cyan", "open": "bold yellow", "bad": "bold red"}


def render_summary(report: Report, run_dir: Path | None) -> RenderableType:
    """Return the summary as a rich renderable. Plugins' text is never interpreted as markup.

    Without ``run_dir`` the line with the report's path is left out.
    """
    warned = ((twin_sentence(report), "bold red"), (undependable_sentence(report), "bold yellow"))
    sentences = (model_sentence(report), phase_sentence(report), journal_sentences(report))
    used = ((used_sentence(report), ""), (slow_sentence(report), "yellow"), *((text, "") for text in sentences))
    parts: list[RenderableType] = [_title(report), *_lines(warned), _measured(report), Text()]
    parts += [_table(report), Text(), _explanations(report)]
    parts += [_statuses(report), *_lines(used), _isolation(report)]
    parts += [*_warnings(report), Text()]
    parts += [_verdict(report)] + ([] if run_dir is None else [Text(), _where(run_dir)])
    return Group(*parts)


def _lines(texts: Iterable[tuple[str, str]]) -> list[RenderableType]:
    """Return a line for each text with its style, without empty ones."""
    return [Text(plain(text), style) for text, style in texts if text]


def _title(report: Report) -> Text:
    plugin = report.plugin
    names = plain(f"{plugin.name} ({plugin.distribution} {plugin.version})")
    return Text.assemble((names, "bold"), " on ", (plain(report.task.name), "bold"))


def _measured(report: Report) -> Text:
    sizes, made = report.task.split_sizes, report.populations
    return Text(
        f"{made.unlearned.size} unlearned models (from {originals_text(report.design)}) against {made.retrained.size} "
        f"retrained ones; {made.control.size} more retrained ones show what perfect unlearning scores. "
        f"{sizes.get('forget', 0)} examples to forget, {sizes.get('retain', 0)} to keep."
    )


def _table(report: Report) -> RenderableType:
    rows = headlines(report)
    if not rows:
        return Text("No metric could be computed.", "yellow")
    table = Table(box=box.SIMPLE_HEAD, padding=(0, 1), pad_edge=False, show_edge=False, collapse_padding=True)
    table.add_column("Metric", overflow="fold", min_width=15)
    for heading in ("This\nplugin", "Interval", "Perfect\n(control)", "Nothing\ndone", "Wanted"):
        table.add_column(heading, justify="right", no_wrap=True)
    for evaluator, metric in rows:
        table.add_row(*_row(evaluator, metric))
    return table


def _row(evaluator: str, metric: Metric) -> tuple[Text | str, ...]:
    unit = metric.unit
    return (
        Text(label(evaluator, metric)),
        Text(number(metric.value, unit), "bold"),
        interval(metric.interval, "share" if unit == "share" else ""),
        number(metric.control, unit),
        number(metric.noop, unit),
        WANTED[metric.direction],
    )


def _explanations(report: Report) -> RenderableType:
    lines = [_explanation(name, metric) for name, metric in headlines(report)]
    broken = [Text(f"{plain(one.name)} failed: {_one_line(one.error)}") for one in report.evaluators if one.error]
    return Padding(Group(*lines, *broken), (0, 0, 1, 2), style="dim")


def _explanation(evaluator: str, metric: Metric) -> Text:
    # With a number, one truncated line is enough (the page has it all); without one, the note must be readable in full.
    text = f"{label(evaluator, metric)}: {gist(metric)}"
    return Text(text) if metric.value is None else Text(text, no_wrap=True, overflow="ellipsis")


def _one_line(error: str) -> str:
    """Return an evaluator's error on one line, without its middle if it is long; of a traceback only the last line."""
    text = error.strip()
    return shortened(
        plain(text.rpartition("\n")[2] if text.startswith("Traceback") else " ".join(text.split())), MAX_ERROR_CHARS
    )


def _statuses(report: Report) -> RenderableType:
    finished, all_models = report.finished_models, len(report.models)
    noop = " The others count as their originals (--failed-as noop)." if report.populations.substituted else ""
    head = Text(f"Models: {finished} of {all_models} finished.{noop}", "green" if finished == all_models else "yellow")
    return Group(head, *(_failure(group) for group in failures(report.models)))


def _failure(group: FailureGroup) -> RenderableType:
    head = Text.assemble((f"{len(group.indices)} {group.status.value}", "red"), f": {group.words} ({group.which})")
    rest = [Text(text, style) for text, style in ((group.detail, "dim"), (group.advice, "")) if text]
    return Padding(Group(head, *(Padding(line, (0, 0, 0, 2)) for line in rest)), (0, 0, 0, 2))


def _isolation(report: Report) -> Text:
    runner = report.runner
    style = "" if runner.name == "docker" else "yellow"
    return Text(plain(f"Runner: {runner.name}, isolation {runner.isolation}"), style)


def _warnings(report: Report) -> list[RenderableType]:
    aside = _aside(report)
    shown: list[RenderableType] = [
        Text(plain(f"Warning: {text}"), "yellow") for text in report.warnings if text not in aside
    ]
    count = sum(text in aside for text in report.warnings)
    many = "1 more warning is" if count == 1 else f"{count} more warnings are"
    return shown + ([Text(f"{many} about metrics not shown here; see report.html.", "dim")] if count else [])


def _aside(report: Report) -> set[str]:
    """Return warnings of evaluators without a metric in the table, in every form in which the report lists them."""
    quiet = [one for one in report.evaluators if not one.error and not any(metric.headline for metric in one.metrics)]
    return {form for one in quiet for text in one.warnings for form in (text, f"{one.name}: {text}")}


def _verdict(report: Report) -> Text:
    level = report.verdict.level
    word = (VERDICT_WORDS[level].upper(), TONE_STYLE[VERDICT_TONE[level]])
    return Text.assemble(word, ". ", plain(report.verdict.sentence))


def _where(run_dir: Path) -> Text:
    # A double click selects a path only if it is on one line.
    return Text(f"Report: {run_dir}/report.json and report.html", no_wrap=True, overflow="ignore")
