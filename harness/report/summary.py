"""The terminal summary of a run, the result first; it fits into 80 columns."""

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
from harness.report.choice_words import choice_sentence
from harness.report.document import Report
from harness.report.journal_words import journal_sentences
from harness.report.twin_words import twin_sentence
from harness.report.words import (
    PLAIN_PROCESS,
    VERDICT_TONE,
    VERDICT_WORDS,
    WANTED,
    FailureGroup,
    failures,
    gathered,
    gist,
    headlines,
    interval,
    label,
    number,
    originals_text,
    plain,
)
from harness_guest.texts import shortened

MAX_WARNINGS = 3
"""Most lines of warnings on the terminal."""
MAX_ERROR_CHARS = 300
"""Longest error of an evaluator on the terminal."""

TONE_STYLE = {"good": "bold green", "fair": "bold cyan", "open": "bold yellow", "bad": "bold red"}


def render_summary(report: Report, run_dir: Path | None) -> RenderableType:
    """Return the summary as a rich renderable. Plugins' text is never interpreted as markup.

    Without ``run_dir`` the line with the report's path is left out.
    """
    used = zip(costs(report), ("", "yellow", "", ""), strict=True)
    parts: list[RenderableType] = [_title(report), _verdict(report), *_warnings(report), Text()]
    if report.status != "failed":
        parts += [Text(measured(report)), Text(), _table(report), *_missing(report), Text()]
    parts += [_statuses(report), *_lines(used), _isolation(report)]
    parts += [] if run_dir is None else [_where(run_dir)]
    return Group(*parts)


def costs(report: Report) -> tuple[str, str, str, str]:
    """Return sentences on times, slow models, the journal and the chosen forget set; empty if there are none."""
    chosen = choice_sentence(report.task.chosen)
    return used_sentence(report), slow_sentence(report), journal_sentences(report), chosen


def _lines(texts: Iterable[tuple[str, str]]) -> list[RenderableType]:
    """Return a line for each text with its style, without empty ones."""
    return [Text(plain(text), style) for text, style in texts if text]


def _title(report: Report) -> Text:
    plugin = report.plugin
    names = plain(f"{plugin.name} ({plugin.distribution} {plugin.version})")
    return Text.assemble((names, "bold"), " on ", (plain(report.task.name), "bold"))


def measured(report: Report) -> str:
    """Return what was compared with what."""
    sizes, made = report.task.split_sizes, report.populations
    return (
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


def missing(report: Report) -> list[str]:
    """Return why metrics have no value, each reason once, and the errors of evaluators; the page explains all metrics."""
    why: dict[str, list[tuple[str, Metric]]] = {}
    for name, metric in headlines(report):
        if metric.value is None:
            why.setdefault(metric.note, []).append((name, metric))
    texts = [
        f"{', '.join(label(*one) for one in found)}: {gist(found[0][1]) if len(found) == 1 else plain(note)}"
        for note, found in why.items()
    ]
    texts += [f"{plain(one.name)} failed: {_one_line(one.error)}" for one in report.evaluators if one.error]
    return texts


def _missing(report: Report) -> list[RenderableType]:
    texts = missing(report)
    return [Padding(Group(*map(Text, texts)), (1, 0, 0, 2), style="dim")] if texts else []


def _one_line(error: str) -> str:
    """Return an evaluator's error on one line, without its middle if it is long; of a traceback only the last line."""
    text = error.strip()
    return shortened(
        plain(text.rpartition("\n")[2] if text.startswith("Traceback") else " ".join(text.split())), MAX_ERROR_CHARS
    )


def statuses(report: Report) -> str:
    """Return how many models finished, and what became of the others."""
    all_models = len(report.models)
    noop = " The others count as their originals (--failed-as noop)." if report.populations.substituted else ""
    rest = report.design.originals * report.design.repeats - all_models if report.status == "failed" else 0
    stopped = f" The run stopped early; {rest} not started (--keep-going)." if rest > 0 else ""
    return f"Models: {report.finished_models} of {all_models} finished.{stopped}{noop}"


def _statuses(report: Report) -> RenderableType:
    head = Text(statuses(report), "green" if report.finished_models == len(report.models) else "yellow")
    return Group(head, *(_failure(group) for group in failures(report.models)))


def _failure(group: FailureGroup) -> RenderableType:
    head = Text.assemble((f"{len(group.indices)} {group.status.value}", "red"), f": {group.words} ({group.which})")
    rest = [Text(text, style) for text, style in ((group.detail, "dim"), (group.advice, "")) if text]
    return Padding(Group(head, *(Padding(line, (0, 0, 0, 2)) for line in rest)), (0, 0, 0, 2))


def _isolation(report: Report) -> Text:
    runner = report.runner
    style = "" if runner.image else "yellow"
    return Text(plain(f"Runner: {runner.name}, isolation {runner.isolation}"), style)


def warnings(report: Report) -> tuple[list[str], int]:
    """Return the beginnings of the first warnings, at most three lines with one for the number of the others."""
    aside = _aside(report)
    told = [text for text in report.warnings if not text.startswith(PLAIN_PROCESS)]
    loud = [text for text in told if text not in aside]
    shown = [twin_sentence(report), undependable_sentence(report), *gathered(loud)]
    texts = list(dict.fromkeys(_first_sentence(text) for text in shown if text))
    hidden = len(told) - len(loud)
    kept = texts if len(texts) + (hidden > 0) <= MAX_WARNINGS else texts[: MAX_WARNINGS - 1]
    return kept, len(texts) - len(kept) + hidden


def _warnings(report: Report) -> list[RenderableType]:
    kept, count = warnings(report)
    lines = [Text(f"Warning: {text}", "bold yellow", no_wrap=True, overflow="ellipsis") for text in kept]
    more = f"{count} more warning{'s' if count > 1 else ''}: see report.html."
    return [*lines, Text(more, "yellow")] if count else [*lines]


def _first_sentence(text: str) -> str:
    """Return the beginning of a text up to the first full stop, without it."""
    return plain(text).partition(". ")[0].removesuffix(".")


def _aside(report: Report) -> set[str]:
    """Return warnings of evaluators without a metric in the table, in every form in which the report lists them."""
    quiet = [one for one in report.evaluators if not one.error and not any(metric.headline for metric in one.metrics)]
    return {form for one in quiet for text in one.warnings for form in (text, f"{one.name}: {text}")}


def _verdict(report: Report) -> Text:
    level = report.verdict.level
    word = (VERDICT_WORDS[level].upper(), TONE_STYLE[VERDICT_TONE[level]])
    return Text.assemble(word, ". ", plain(_without_word(VERDICT_WORDS[level], report.verdict.sentence)))


def _without_word(word: str, sentence: str) -> str:
    """Return the sentence without the verdict's word and a colon at its beginning or after another sentence."""
    before, found, after = sentence.partition(f"{word.capitalize()}: ")
    return f"{before}{after[:1].upper()}{after[1:]}" if found else sentence


def _where(run_dir: Path) -> Text:
    # A double click selects a path only if it is on one line.
    return Text(f"Report: {run_dir}/report.json and report.html", no_wrap=True, overflow="ignore")
