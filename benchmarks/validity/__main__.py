"""A study: do the forgetting metrics rank unlearners of known quality, and what is the smallest detectable difference?

::

    python -m benchmarks.validity                     # tables on the terminal
    python -m benchmarks.validity --write             # and docs/validity.md, docs/validity.svg, docs/validity/*.csv
    python -m benchmarks.validity --task my-task.yaml --models 32 --sizes 16 32

Models are trained once and kept in the cache, so that a study that was stopped goes on where it was. On two cores, 64 models
of each population take about a quarter of an hour on ``faces`` and half an hour on ``fashion-mnist``; judging takes minutes.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import pages
from benchmarks.judging import evaluators, versions
from benchmarks.validity import conclusions, writing
from benchmarks.validity.drawing import picture
from benchmarks.validity.populations import train
from benchmarks.validity.study import Study, study
from harness.core.progress import SilentProgress
from harness.plugins.discovery import LoadedEvaluator, find_task

TASKS = ("faces", "fashion-mnist")
SIZES = (16, 32, 64)


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, judge, and print or write what was found."""
    options = _parser().parse_args(arguments)
    judged = evaluators()
    studies = [_one(name, options, judged) for name in options.task or TASKS]
    tables = [writing.ranking(studies), writing.values(studies)]
    print(*tables, sep="\n")
    print(conclusions.text(studies))
    if options.write:
        made_with = pages.made_with(_command(options), versions(judged), f"device {options.device}")
        pages.write(options.docs, "validity", writing.page(studies, made_with), tables, picture(studies))


def _one(name: str, options: argparse.Namespace, evaluators: Sequence[LoadedEvaluator]) -> Study:
    print(f"{name}: training, or finding in the cache", file=sys.stderr, flush=True)
    trained = train(find_task(name), options.models, options.device, SilentProgress())
    return study(trained, options.sizes, evaluators)


def _command(options: argparse.Namespace) -> str:
    extra = "".join(f" --task {name}" for name in options.task or ())
    if tuple(options.sizes) != SIZES:
        extra += f" --sizes {' '.join(map(str, options.sizes))}"
    return f"validity{extra} --models {options.models}"


def _parser() -> argparse.ArgumentParser:
    parser = pages.parser("validity", __doc__)
    parser.add_argument("--task", action="append", help=f"a task's name or file; may be repeated; default {TASKS}")
    parser.add_argument("--models", type=int, default=64, help="models of each population (default 64)")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, help="numbers of models to judge on")
    parser.add_argument("--device", default="cpu", help="cpu or cuda")
    return parser


if __name__ == "__main__":
    main()
