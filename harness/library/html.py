"""A report as a small HTML table for notebooks: no script, no request, no leaking style; all plugin text escaped."""

from __future__ import annotations

from html import escape

from harness.evaluation import Metric
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

from .result import RunReport

HEADINGS = ("Metric", "This plugin", "Interval", "Perfect (control)", "Nothing done (no-op)", "Wanted")
# Used for borders only: no text colour is readable on both a light and a dark notebook theme.
TONE_COLOUR = {"good": "#1a8754", "fair": "#0b7285", "open": "#b26a00", "bad": "#d1384b"}
CELL = "padding:.15em .7em;font-size:13px;vertical-align:top"
LEFT, RIGHT = f"text-align:left;{CELL}", f"text-align:right;{CELL}"
MOST_WARNINGS = 20


def report_html(report: RunReport) -> str:
    """Return the table: verdict, headline metrics with control and no-op, outcomes of the models, warnings.

    It is one ``div`` with its own styles. All plugin text is escaped, and control characters are made visible.
    """
    parts = [_title(report), _verdict(report), _table(report), _models(report), _warnings(report), _where(report)]
    return f'<div style="max-width:60em;line-height:1.4">{"".join(parts)}</div>'


def _text(text: str) -> str:
    return escape(plain(text))


def _title(report: RunReport) -> str:
    plugin, made = report.plugin, report.populations
    sizes = (
        f"{made.unlearned.size} unlearned models (from {originals_text(report.design)}) against {made.retrained.size} "
        f"retrained ones and {made.control.size} controls"
    )
    provider = _text(f"{plugin.distribution} {plugin.version}")
    return (
        f"<div><strong>{_text(plugin.name)}</strong> ({provider}) on <strong>{_text(report.task.name)}</strong></div>"
        f'<div style="opacity:.75">{sizes}; run {_text(report.run_id)}, {_text(report.created)}</div>'
    )


def _verdict(report: RunReport) -> str:
    level = report.verdict.level
    badge = f"border:2px solid {TONE_COLOUR[VERDICT_TONE[level]]};padding:0 .4em;border-radius:.2em"
    return (
        f'<div style="margin:.4em 0"><strong style="{badge}">{_text(VERDICT_WORDS[level].upper())}</strong> '
        f"{_text(report.verdict.sentence)}</div>"
    )


def _table(report: RunReport) -> str:
    rows = headlines(report)
    if not rows:
        return "<div>No metric could be computed.</div>"
    head = "".join(
        f'<th scope="col" style="{LEFT if n == 0 else RIGHT}">{text}</th>' for n, text in enumerate(HEADINGS)
    )
    body = "".join(_row(evaluator, metric) for evaluator, metric in rows)
    table = f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"
    return f'<div style="overflow-x:auto">{table}</div>'


def _row(evaluator: str, metric: Metric) -> str:
    unit = metric.unit
    cells = (
        f"<strong>{_text(number(metric.value, unit))}</strong>",
        _text(interval(metric.interval, "share" if unit == "share" else "")),
        _text(number(metric.control, unit)),
        _text(number(metric.noop, unit)),
        _text(WANTED[metric.direction]),
    )
    name = f'<th scope="row" style="{LEFT}" title="{_text(gist(metric))}">{_text(label(evaluator, metric))}</th>'
    return f"<tr>{name}{''.join(map(_cell, cells))}</tr>"


def _cell(content: str) -> str:
    return f'<td style="{RIGHT}">{content}</td>'


def _models(report: RunReport) -> str:
    finished = f"{report.finished_models} of {len(report.models)} finished"
    items = "".join(f"<li>{_failure(group)}</li>" for group in failures(report.models))
    return f"<div>Models: {finished}.</div>" + (f'<ul style="margin:0">{items}</ul>' if items else "")


def _failure(group: FailureGroup) -> str:
    shown = ", ".join(map(str, group.indices[:6])) + (", …" if len(group.indices) > 6 else "")
    which = f"{'model' if len(group.indices) == 1 else 'models'} {shown}"
    detail = f"<br><code>{_text(group.detail)}</code>" if group.detail else ""
    return f"{len(group.indices)} {_text(group.status.value)}: {_text(group.words)} ({which}){detail}"


def _warnings(report: RunReport) -> str:
    if not report.warnings:
        return ""
    shown = [*map(_text, report.warnings[:MOST_WARNINGS])]
    if len(report.warnings) > MOST_WARNINGS:
        shown.append(f"… and {len(report.warnings) - MOST_WARNINGS} more")
    items = "".join(f"<li>{text}</li>" for text in shown)
    many = f"{len(report.warnings)} warning{'s' if len(report.warnings) > 1 else ''}"
    return f"<details><summary>{many}</summary><ul>{items}</ul></details>"


def _where(report: RunReport) -> str:
    runner = _text(f"{report.runner.name}, isolation {report.runner.isolation}")
    folder = "" if report.folder is None else f"<br>Whole report: <code>{_text(str(report.folder))}/report.html</code>"
    return f'<div style="opacity:.75">Runner: {runner}{folder}</div>'
