"""How do the bundled methods compare, on the same tasks, the same originals and with the same budget?

::

    python -m benchmarks.methods                          # tables on the terminal
    python -m benchmarks.methods --write                  # and docs/methods.md with its pictures
    python -m benchmarks.methods --task my-task.yaml --method finetune --method scrub --models 16

Runs are kept in ``--runs`` and not made again; a study that was stopped goes on where it was. With the reference models in the
cache, most methods take about 25 s on two cores; the whole study took 100 minutes from an empty cache, beside much other work.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import pages
from benchmarks.methods import page
from benchmarks.methods.running import Setting, bundled_methods, report_of
from benchmarks.methods.table import table
from harness.core.progress import SilentProgress
from harness.plugins.discovery import find_task
from harness.report.document import Report

TASKS = ("faces", "fashion-mnist", "faces-journal", "faces-sisa")


def main(arguments: Sequence[str] | None = None) -> None:
    """Make the runs that are missing, and print or write the tables."""
    options = _parser().parse_args(arguments)
    tasks = {task: _reports(task, options) for task in options.task or TASKS}
    for task, reports in tasks.items():
        print(f"\n## {task}\n\n{table(reports)}")
    if options.write:
        page.write(tasks, options.docs, _command(options))


def _reports(task: str, options: argparse.Namespace) -> dict[str, Report]:
    setting = Setting(task, options.models, options.runner, options.runs)
    found = {}
    for method in options.method or bundled_methods(find_task(task)):
        print(f"{task}: {method}", file=sys.stderr, flush=True)
        found[method] = report_of(method, setting, SilentProgress())
    return found


def _command(options: argparse.Namespace) -> str:
    parts = [f"--task {task}" for task in options.task or ()] + [f"--method {name}" for name in options.method or ()]
    parts += [f"--models {options.models}"] if options.models else []
    parts += [f"--runner {options.runner}"] if options.runner != "auto" else []
    return " ".join(["python -m benchmarks.methods", *parts, "--write"])


def _parser() -> argparse.ArgumentParser:
    parser = pages.parser("methods", __doc__)
    parser.add_argument("--task", action="append", help=f"a task's name or file; may be repeated; default {TASKS}")
    parser.add_argument(
        "--method", action="append", help="an unlearner's name; may be repeated; default: all bundled ones"
    )
    parser.add_argument("--models", type=int, help="models of each population (default: the task's own number)")
    parser.add_argument("--runner", default="auto", help="as of harness run")
    parser.add_argument("--runs", type=Path, default=Path("runs/methods"), help="where the runs are kept")
    return parser


if __name__ == "__main__":
    main()
