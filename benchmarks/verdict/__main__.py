"""How often is the verdict wrong: false alarms, words by what is left, and the coverage of its bounds?

::

    python -m benchmarks.verdict            # all tables on the terminal, half an hour on one core
    python -m benchmarks.verdict --short    # a quarter of the draws, ten minutes
    python -m benchmarks.verdict --quick    # few draws, under a minute
    python -m benchmarks.verdict --write    # and docs/verdict-study.md, docs/verdict-study.svg

Times are without the training of the pool of ``faces``, which is kept in the cache; ``harness references build faces
--models 256`` trains it on all cores. Everything is drawn from fixed seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.verdict import writing
from benchmarks.verdict.drawing import picture
from benchmarks.verdict.plan import FACES, FULL, QUICK, SHORT, study
from benchmarks.verdict.populations import Pool
from harness.core import hardware
from harness.core.progress import SilentProgress
from harness.plugins.discovery import library_versions
from harness_evaluators import forgetting

DOCS = Path(__file__).parents[2] / "docs"
LIBRARIES = ("unlearning-harness", "torch", "numpy", "scipy")
POOL, QUICK_POOL = 256, 96


def main(arguments: Sequence[str] | None = None) -> None:
    """Compute the tables, and print or write them."""
    options = _parser().parse_args(arguments)
    models = options.pool or (QUICK_POOL if options.quick else POOL)
    pool = Pool.of_task(FACES, models, SilentProgress())
    start = time.process_time()
    results = study(
        QUICK if options.quick else SHORT if options.short else FULL,
        pool,
        lambda text: print(text, file=sys.stderr, flush=True),
    )
    print(f"{time.process_time() - start:.0f} s of CPU time", file=sys.stderr)
    print(writing.findings(results), *writing.tables(results), sep="\n")
    if options.write:
        facts = _facts(options, models)
        (options.docs / "verdict-study.svg").write_text(picture(results))
        (options.docs / "verdict-study.md").write_text(writing.page(results, facts, "verdict-study.svg"))


def _facts(options: argparse.Namespace, models: int) -> list[str]:
    """Return what the numbers depend on; no date, so that the same study writes the same page."""
    machine, versions = hardware.describe(), library_versions()
    quick = " --quick" if options.quick else " --short" if options.short else ""
    pool = f" --pool {options.pool}" if options.pool else ""
    return [
        f"`python -m benchmarks.verdict{quick}{pool} --write`",
        f"a pool of {models} originals and {2 * models} retrained models of `{FACES}`, trained on {machine.cpu}",
        ", ".join(f"{name} {versions[name]}" for name in LIBRARIES),
        f"evaluator forgetting {forgetting.harness_evaluator().version}",
    ]


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.verdict", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="few draws, N = 8 and 32 alone, a smaller pool")
    parser.add_argument("--short", action="store_true", help="a quarter of the draws, and wider binomial intervals")
    parser.add_argument("--pool", type=int, help=f"originals in the pool of {FACES} (default {POOL})")
    parser.add_argument("--write", action="store_true", help="write verdict-study.md and verdict-study.svg")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where to (default: the docs folder)")
    return parser


if __name__ == "__main__":
    main()
