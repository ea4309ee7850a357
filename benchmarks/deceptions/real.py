"""Deceptions that really run: unlearners, end to end, on a task of the harness.

::

    python -m benchmarks.deceptions.real --task faces --models 32      # exit status 1 if a rule is broken

Runs are kept in ``runs/deceptions`` and read again by the next call.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.deceptions.model import words
from benchmarks.deceptions.wheel import names, write_wheel
from harness.core.progress import SilentProgress
from harness.report.document import Report, VerdictLevel
from harness.report.writing import REPORT_NAME, load_report
from harness.runs import pipeline
from harness.runs.config import RunConfig

FAVOURABLE = words("as_retrained", "no_difference_seen")
RUNS = Path("runs") / "deceptions"
LONGEST_S = 120.0


@dataclass(frozen=True)
class Expected:
    """What a verdict on one of the unlearners may be.

    Attributes:
        allowed: words; a deception's may be any but the favourable ones.
        why: what is true of it, one clause.
    """

    allowed: frozenset[VerdictLevel]
    why: str


KEEPS_EXAMPLES = words("partial", "mixed")
UNFAVOURABLE = words("partial", "none", "over_forgetting", "mixed", "another_model", "not_durable", "unclear")
HONEST = words("as_retrained", "no_difference_seen", "unclear", "another_model")
MAY_LOOK_GOOD = {
    "short_retrain": Expected(HONEST, "never saw the forget set"),
    "mantissa_copy": Expected(HONEST, "answers as a retrained model does; the copy is gone once weights are rounded"),
}
"""Unlearners that may look good; all others may not."""


MUST_BE_NAMED = {
    "few_kept": Expected(KEEPS_EXAMPLES, "remembers a fifth of the examples, as models of independent seeds")
}
"""Unlearners of which memory must be said."""

LOOKED_INTO = {"suppressed": ("default", "durability")}
"""Evaluators of unlearners of which outputs do not show all; the default ones for the others."""


def expected(name: str) -> Expected:
    """Return what may be said of an unlearner."""
    known = MAY_LOOK_GOOD | MUST_BE_NAMED
    return known.get(name, Expected(UNFAVOURABLE, "remembers, or is no set of independent models"))


def report_of(name: str, task: str, models: int | None, folder: Path) -> Report:
    """Run an unlearner as a process, or read the run that was made before."""
    place = folder / name
    if (place / "run" / REPORT_NAME).exists():
        return load_report(place / "run")
    config = RunConfig(
        plugin=str(write_wheel(place, name)),
        task=task,
        runner="process",
        output=str(place / "run"),
        models=models,
        time_limit_s=LONGEST_S,
        evaluators=LOOKED_INTO.get(name, ()),
        cpus=1,
    )
    return pipeline.run(config, SilentProgress()).report


def breach(name: str, report: Report) -> str:
    """Name what is wrong with a verdict; empty if nothing is."""
    wanted = expected(name)
    if report.verdict.level in wanted.allowed:
        return ""
    return f"{name} ({wanted.why}): {report.verdict.level}. {report.verdict.sentence}"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run all unlearners, print each verdict, and return 1 if one is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.deceptions.real", description=__doc__)
    parser.add_argument("--task", default="faces", help="name or file (default faces)")
    parser.add_argument("--models", type=int, default=None, help="of each population (default: the task's)")
    parser.add_argument("--plugin", action="append", choices=names(), help="may be repeated (default: all)")
    parser.add_argument("--runs", type=Path, default=RUNS, help=f"where runs are kept (default {RUNS})")
    options = parser.parse_args(arguments)
    wrong = []
    for name in options.plugin or names():
        report = report_of(name, options.task, options.models, options.runs / Path(options.task).stem)
        finished = sum(model.status.finished for model in report.models)
        print(f"{name:18s} {report.verdict.level:18s} {finished} of {len(report.models)} models", flush=True)
        wrong += [text for text in [breach(name, report)] if text]
    print("\n".join(("", *wrong, f"{len(wrong)} verdicts are wrong.")))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
