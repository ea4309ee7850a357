"""A study: which metrics tell models with knowledge of the forget set from models without it, whatever both have gone through?

::

    python -m benchmarks.faithfulness                # tables on the terminal
    python -m benchmarks.faithfulness --write        # and docs/faithfulness.md, docs/faithfulness/*.csv
    python -m benchmarks.faithfulness --task my-task.yaml --models 32 --size 8 --blocks 12

Models are those of ``benchmarks.validity``, trained once and kept in the cache. Every block is judged by all evaluators.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from benchmarks import pages
from benchmarks.faithfulness import writing
from benchmarks.faithfulness.study import measure
from benchmarks.judging import evaluators, versions
from benchmarks.validity.populations import train
from harness.core.progress import SilentProgress
from harness.plugins.discovery import find_task

TASKS = ("faces", "fashion-mnist")


def main(arguments: Sequence[str] | None = None) -> None:
    """Train what is missing, judge, and print or write what was found."""
    parser = pages.parser("faithfulness", __doc__)
    parser.add_argument("--task", action="append", help=f"a task's name or file; may be repeated; default {TASKS}")
    parser.add_argument("--models", type=int, default=32, help="models of each population (default 32)")
    parser.add_argument("--size", type=int, default=8, help="models in a block (default 8)")
    parser.add_argument("--blocks", type=int, default=12, help="blocks of each kind (default 12)")
    options = parser.parse_args(arguments)
    judged, found = evaluators(), []
    for name in options.task or TASKS:
        print(f"{name}: training, or finding in the cache", file=sys.stderr, flush=True)
        trained = train(find_task(name), options.models, "cpu", SilentProgress())
        print(f"{name}: judging", file=sys.stderr, flush=True)
        found.append(measure(trained, options.size, options.blocks, judged))
    tables = [writing.separation(found), writing.agreement(found)]
    tasks = "".join(f" --task {name}" for name in options.task or ())
    command = f"faithfulness{tasks} --models {options.models} --size {options.size} --blocks {options.blocks}"
    text = writing.page(found, pages.made_with(command, versions(judged)))
    print(text)
    if options.write:
        pages.write(options.docs, "faithfulness", text, tables)


if __name__ == "__main__":
    main()
