"""The report as a self-contained HTML page: no network, all plugin text escaped.

The content security policy allows one script, the example picker, by its hash; without scripts all examples are shown.
"""

from __future__ import annotations

import base64
import hashlib
import json
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
from pydantic_core import to_jsonable_python

from harness.core.files import atomic_write_text
from harness.core.text import harmless
from harness.report import words
from harness.report.budget_words import (
    amount,
    failed_sentence,
    slow_sentence,
    undependable_sentence,
    used_sentence,
)
from harness.report.choice_words import choice_sentence
from harness.report.deaths import evidence_lines, printed
from harness.report.document import Report
from harness.report.glossary import entries_of, entry_of, title_of
from harness.report.journal_words import journal_sentences
from harness.report.single_examples import NO_PICTURES, safe_picture, single_examples, why_none
from harness.report.status_words import chip, chips
from harness.report.strata import strata_of
from harness.report.svg.figures import figures
from harness.report.svg.glossary_pictures import picture_of
from harness.report.time_words import model_sentence, phase_sentence
from harness.report.twin_words import twin_sentence

PAGE_NAME = "report.html"
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
LEGEND = words.POPULATION_WORDS | {"band": "nothing differs", "mark": "chance"}
CAUSES_SHOWN = 3  # models of each cause of failure; models that fail in the same way have the same evidence
PRINTED_SHOWN = 8  # finished models whose output is shown
MODEL_COLUMNS = (
    ("Charged", "What the method used of the limit; less is better."),
    ("Hand-over", "Seconds of passing the model to the guest; not charged."),
    ("Peak memory", "Peak resident memory of its process."),
    ("Peak GPU memory", "Peak memory of the CUDA allocator; none on a CPU."),
    ("Starts", "Number of starts; more than one if the sandbox failed."),
)


def write_page(report: Report, run_dir: Path) -> Path:
    """Write ``report.html`` into ``run_dir`` atomically and return its path.

    Raises:
        NoSpaceError: the disk is full; an older page is kept.
        OutputUnwritableError: ``run_dir`` does not exist or is not writable.
    """
    path = run_dir / PAGE_NAME
    atomic_write_text(path, render_page(report))
    return path


def render_page(report: Report) -> str:
    """Return the page's HTML."""
    shown = single_examples(report)
    script = _environment().get_template("picker.js.j2").render() if shown else ""
    return render(
        "page.html.j2",
        report=report,
        verdict_word=words.VERDICT_WORDS[report.verdict.level],
        verdict_tone=words.VERDICT_TONE[report.verdict.level],
        policy=_policy(script),
        script=script,
        headlines=words.headlines(report),
        causes=words.failures(report.models),
        causes_shown=CAUSES_SHOWN,
        evidence_lines=evidence_lines,
        printed=printed(report),
        printed_shown=PRINTED_SHOWN,
        figures=figures(report),
        strata=strata_of(report),
        examples=shown,
        safe_picture=safe_picture,
        no_examples=why_none(report),
        no_pictures="" if report.examples is None else NO_PICTURES[report.examples.pictures],
        legend=LEGEND,
        warnings=words.gathered(report.warnings),
        arrays={one.name: one.arrays for one in report.evaluators},
        wanted=words.WANTED,
        better=words.BETTER,
        status_words=words.STATUS_WORDS,
        model_columns=MODEL_COLUMNS,
        journal=journal_sentences(report),
        choice=choice_sentence(report.task.chosen),
        twins=twin_sentence(report),
        undependable=undependable_sentence(report),
        failed=failed_sentence(report),
        too_slow=slow_sentence(report),
        used=used_sentence(report),
        statuses=chips(report.models),
        entries=entries_of((one.name, metric.name) for one in report.evaluators for metric in one.metrics),
    )


def _policy(script: str) -> str:
    """Return the content security policy: inline style, data: pictures, and this script only."""
    if not script:
        return POLICY
    return f"{POLICY}; img-src data:; script-src {policy_source(script)}"


def policy_source(text: str) -> str:
    """Return a source expression of Content-Security-Policy that allows exactly this script or style."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def render(template: str, **values: Any) -> str:
    """Render a template of this package with the report page's filters; everything not marked safe is escaped."""
    return _environment().get_template(template).render(**values)


@cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        number=words.number,
        interval=words.interval,
        duration=words.duration,
        amount=amount,
        plain=words.plain,
        way=words.position_text,
        tip=words.tip,
        harmless=harmless,
        pretty=_pretty,
        origin=words.originals_text,
    )
    environment.globals.update(entry_of=entry_of, title_of=title_of, picture_of=picture_of, chip_of=chip)
    environment.globals["label"] = words.label
    environment.globals.update(phase_sentence=phase_sentence, model_sentence=model_sentence)
    return environment


def _pretty(value: Any) -> str:
    """Format JSON values and records with indentation; jinja2's own filter would mark the text as safe."""
    return harmless(json.dumps(to_jsonable_python(value), indent=2, ensure_ascii=False))
