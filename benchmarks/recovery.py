"""Does the memory of the forget set come back, and what do other looks into the weights show?

::

    python -m benchmarks.recovery            # bundled methods on faces and fashion-mnist
    python -m benchmarks.recovery --write    # and docs/recovery.md
    python -m benchmarks.recovery --task faces --evaluator durability --method salun

Every method is run once, with its weights kept, and judged by the verdict's evaluators and by those named; a run that is there
is evaluated again only where one of them is missing. The table has all headline metrics of the evaluators named.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from benchmarks import pages
from benchmarks.judging import evaluators, versions
from benchmarks.methods.running import RETRAIN_FRACTION, UNLIMITED
from benchmarks.pages import Cell, Table, markdown
from harness.core.progress import SilentProgress
from harness.evaluation import Metric
from harness.report.document import EvaluatorRecord, Report
from harness.report.findings import EVALUATOR
from harness.report.recovered import LEVEL
from harness.report.words import interval, number
from harness.report.writing import REPORT_NAME, load_report
from harness.runs import pipeline, rescoring
from harness.runs.config import RunConfig

METHODS = (
    *(
        "noop",
        "bad_teacher",
        "random_labels",
        "salun",
        "ct",
        "cf_k",
        "gradient_ascent",
        "finetune",
        "ssd",
        "seif",
        "noise",
    ),
    *("eu_k", "l1_sparse", "sebastian", "neggrad_plus", "scrub", "fanchuan", "msg", "retrain"),
)
TASKS = ("faces", "fashion-mnist")
SHOWN = ("durability", "representation")
ALWAYS = (EVALUATOR, "accuracy", "efficiency")
DURABILITY, CONDITIONS = "durability", "memory_"

HEAD = """\
# What comes back

<!-- Written by `python -m benchmarks.recovery --write`; do not edit. -->

A method that only suppresses what a model answers leaves the memory of the forget set in its weights. Here bundled methods are
run on `{tasks}`, and all models (unlearned, retrained, control, originals) are then changed alike: trained on for a little on the
retain set, alone or with a few forgotten examples; rounded; disturbed by noise. How, and what the numbers are:
[`durability`](reference/evaluators.md#durability).

Published, for comparison: after unlearning, forget accuracy of about 50 % returned to nearly 100 % with retained data alone, and
stayed at 50 % in retrained models (arXiv 2505.22310; CIFAR-10, up to ten passes). Here the training is shorter.

*memory before* is the share of the no-op's memory that a method left, *regained* what is there after the condition under which
most evidently more comes back than in retrained models. 0 % is as retrained, 100 % as if nothing had been done.
"""

READ = """\
Shares are relative to the no-op's memory before any change. The no-op has nothing to regain: its row shows what the condition
itself does to memory.
"""


def main(arguments: Sequence[str] | None = None) -> None:
    """Make what is missing, and print or write the tables."""
    options = _parser().parse_args(arguments)
    options.evaluator = options.evaluator or list(SHOWN)
    parts, tables = [], []
    for task in options.task or TASKS:
        reports = {method: _report(method, task, options) for method in options.method or METHODS}
        parts.append(f"## {Path(task).stem}\n\n{_findings(reports)}\n{_headlines(reports, options.evaluator)}")
        if DURABILITY in options.evaluator:
            parts.append(f"### Memory by condition, {Path(task).stem}\n\n{READ}\n{_conditions(reports)}")
        tables.append(_numbers(task, reports, options.evaluator))
    print("\n" + "\n".join(parts))
    if options.write:
        _write(parts, tables, options)


def _report(method: str, task: str, options: argparse.Namespace) -> Report:
    """Return the report of a method with the records of all evaluators named."""
    print(f"{task}: {method}", file=sys.stderr, flush=True)
    folder = options.runs / Path(task).stem / method
    wanted = (*ALWAYS, *options.evaluator)
    if not (folder / REPORT_NAME).exists():
        config = RunConfig(
            plugin=method,
            task=task,
            runner="process",
            output=str(folder),
            models=options.models,
            clock="cpu",
            budget_fraction=RETRAIN_FRACTION if method == UNLIMITED else None,
            evaluators=wanted,
            keep_weights=True,
            keep_going=True,
        )
        return pipeline.run(config, SilentProgress()).report
    known = load_report(folder)
    current = {one.info.name: one.info.version for one in evaluators(list(wanted))}
    missing = [
        name
        for name, version in current.items()
        if (record := known.evaluator(name)) is None or record.error or record.version != version
    ]
    return rescoring.rejudge(folder, missing, SilentProgress()).report if missing else known


def _findings(reports: Mapping[str, Report]) -> str:
    """Return which methods' memory comes back, as a list; empty without the evaluator."""
    lines = []
    for name, report in reports.items():
        record = report.evaluator(DURABILITY)
        p, before, after = (_value(record, metric) for metric in ("recovery_p", "memory_before", "memory_regained"))
        if record is not None and p is not None and before is not None and after is not None:
            comes = "more memory comes back" if p <= LEVEL else "no more comes back"
            shares = f"{number(before, 'share')} of the memory before, {number(after, 'share')} after"
            change = record.metrics[0].note.removeprefix("Smallest ").rstrip(".") if p <= LEVEL else ""
            lines.append((after - before, f"`{name}`: {comes} {change} ({shares}; p = {number(p)})".replace("  ", " ")))
    return pages.listed(line for _, line in sorted(lines, reverse=True))


def _headlines(reports: Mapping[str, Report], names: Sequence[str]) -> str:
    """Return a row for each method, with the headline metrics of the evaluators named, and for both ends of the scale."""
    some = next(iter(reports.values()))
    columns = [
        (record.name, one.name)
        for record in some.evaluators
        if record.name in names
        for one in record.metrics
        if one.headline or (record.name, one.name) == (DURABILITY, "memory_before")
    ]
    head = ["method", *(f"{evaluator} {metric}".replace("_", " ") for evaluator, metric in columns), "forget accuracy"]
    rows = []
    for name, report in reports.items():
        cells = [_cell(_metric(report.evaluator(evaluator), metric)) for evaluator, metric in columns]
        rows.append([f"`{name}`", *cells, _cell(_metric(report.evaluator("accuracy"), "forget")), report.verdict.level])
    every = [_metric(some.evaluator(evaluator), metric) for evaluator, metric in (*columns, ("accuracy", "forget"))]
    control = [number(one.control, one.unit) if one else "" for one in every]
    rows.append(["*perfect (control)*", *control, ""])
    return markdown([*head, "verdict"], rows)


def _conditions(reports: Mapping[str, Report]) -> str:
    some = next(iter(reports.values())).evaluator(DURABILITY)
    names = [one.name for one in some.metrics if _of_condition(one)] if some else []
    head = ["method", *(name.removeprefix(CONDITIONS).replace("_", " ") for name in names)]
    rows = [
        [f"`{method}`", *(number(_value(report.evaluator(DURABILITY), name), "share") for name in names)]
        for method, report in reports.items()
    ]
    control = [number(one.control, "share") for one in some.metrics if _of_condition(one)] if some else []
    return markdown(head, [*rows, ["*perfect (control)*", *control]])


def _of_condition(one: Metric) -> bool:
    return one.name.startswith(CONDITIONS) and one.name != "memory_regained"


def _numbers(task: str, reports: Mapping[str, Report], names: Sequence[str]) -> Table:
    """Return all metrics of the evaluators named."""
    rows: list[list[Cell]] = []
    for method, report in reports.items():
        for record in report.evaluators:
            if record.name in names:
                for one in record.metrics:
                    ends = (one.interval.low, one.interval.high) if one.interval else (None, None)
                    rows.append([method, record.name, one.name, one.value, *ends, one.control, one.noop])
    head = ["method", "evaluator", "metric", "value", "low", "high", "control", "noop"]
    return Table(Path(task).stem, head, rows)


def _metric(record: EvaluatorRecord | None, name: str) -> Metric | None:
    return None if record is None else record.metric(name)


def _value(record: EvaluatorRecord | None, name: str) -> float | None:
    found = _metric(record, name)
    return None if found is None else found.value


def _cell(one: Metric | None) -> str:
    if one is None or one.value is None:
        return number(None)
    ends = f" ({interval(one.interval, one.unit)})" if one.interval else ""
    return f"{number(one.value, one.unit)}{ends}"


def _write(parts: Sequence[str], tables: Sequence[Table], options: argparse.Namespace) -> None:
    tasks = options.task or TASKS
    command = " ".join(
        [
            "recovery",
            *(f"--task {task}" for task in options.task or ()),
            *(f"--method {method}" for method in options.method or ()),
            *(f"--evaluator {name}" for name in options.evaluator if options.evaluator != list(SHOWN)),
            *([f"--models {options.models}"] if options.models != 16 else []),
        ]
    )
    models = f"N = {options.models} models of each population, `process` runner"
    made = pages.made_with(command, versions(evaluators([*ALWAYS, *options.evaluator])), models)
    links = "[All numbers](recovery/{0}.csv) of {0}.\n"
    text = "\n".join([HEAD.format(tasks="`, `".join(tasks)), *parts, *(links.format(one.name) for one in tables), made])
    pages.write(options.docs, "recovery", text, tables)


def _parser() -> argparse.ArgumentParser:
    parser = pages.parser("recovery", __doc__)
    parser.add_argument(
        "--task", action="append", help=f"a task's name or file; may be repeated (default {', '.join(TASKS)})"
    )
    parser.add_argument("--method", action="append", help=f"may be repeated (default {', '.join(METHODS)})")
    parser.add_argument("--evaluator", action="append", help=f"may be repeated (default {', '.join(SHOWN)})")
    parser.add_argument("--models", type=int, default=16, help="models of each population (default 16)")
    parser.add_argument("--runs", type=Path, default=Path("runs/recovery"), help="where the runs are kept")
    return parser


if __name__ == "__main__":
    main()
