"""A study: do the forgetting metrics rank unlearners of known quality, and what is the smallest detectable difference?

::

    python -m benchmarks.validity                     # tables on the terminal
    python -m benchmarks.validity --write             # and docs/validity.md, docs/validity.svg
    python -m benchmarks.validity --task my-task.yaml --models 32 --sizes 16 32

Models are trained once and kept in the cache, so that a study that was stopped goes on where it was. On two cores, 64 models
of each population take about a quarter of an hour on ``faces`` and half an hour on ``fashion-mnist``; judging takes minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.validity import conclusions, writing
from benchmarks.validity.drawing import picture
from benchmarks.validity.judging import NOT_JUDGED
from benchmarks.validity.populations import train
from benchmarks.validity.study import Study, study
from harness.core import hardware
from harness.core.progress import SilentProgress
from harness.plugins.discovery import LoadedEvaluator, choose_evaluators, find_task, library_versions

TASKS = ("faces", "fashion-mnist")
SIZES = (16, 32, 64)
DOCS = Path(__file__).parents[2] / "docs"
LIBRARIES = ("unlearning-harness", "torch", "numpy", "scipy")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, judge, and print or write what was found."""
    options = _parser().parse_args(arguments)
    evaluators, broken = choose_evaluators(())
    if broken:
        raise SystemExit("\n".join(one.reason for one in broken))
    judged = [one for one in evaluators if one.info.name != NOT_JUDGED]
    studies = [_one(name, options, judged) for name in options.task or TASKS]
    for cell in (writing.order_cell, writing.detection_cell):
        print(writing.summary_table(studies, cell))
    print(conclusions.text(studies))
    if options.write:
        (options.docs / "validity.svg").write_text(picture(studies))
        (options.docs / "validity.md").write_text(writing.page(studies, _facts(judged, options), "validity.svg"))


def _one(name: str, options: argparse.Namespace, evaluators: Sequence[LoadedEvaluator]) -> Study:
    print(f"{name}: training, or finding in the cache", file=sys.stderr, flush=True)
    progress, task = SilentProgress(), find_task(name)
    trained = train(task, options.models, options.device, progress)
    return study(trained, options.sizes, evaluators, progress)


def _facts(evaluators: Sequence[LoadedEvaluator], options: argparse.Namespace) -> list[str]:
    """Return what the numbers depend on; without a date, so that the same study writes the same page."""
    machine, versions = hardware.describe(), library_versions()
    extra = "".join(f" --task {name}" for name in options.task or ())
    if tuple(options.sizes) != SIZES:
        extra += f" --sizes {' '.join(map(str, options.sizes))}"
    return [
        f"`python -m benchmarks.validity{extra} --models {options.models} --write`",
        f"{machine.cpu}, {machine.cores} cores, device {options.device}",
        ", ".join(f"{name} {versions[name]}" for name in LIBRARIES),
        "evaluators " + ", ".join(f"{one.info.name} {one.info.version}" for one in evaluators),
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.validity", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", action="append", help=f"a task's name or file; may be repeated; default {TASKS}")
    parser.add_argument("--models", type=int, default=64, help="models of each population (default 64)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of models to judge on")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    parser.add_argument("--write", action="store_true", help="write validity.md and validity.svg")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where to (default: the docs folder)")
    return parser


if __name__ == "__main__":
    main()
