"""How often is the verdict wrong: false alarms, words by what is left, and the coverage of its bounds?

::

    python -m benchmarks.verdict            # all tables on the terminal, half an hour on one core
    python -m benchmarks.verdict --short    # a quarter of the draws, ten minutes
    python -m benchmarks.verdict --quick    # few draws, under a minute
    python -m benchmarks.verdict --write    # and docs/verdict-study.md, docs/verdict-study.svg, docs/verdict-study/*.csv

Times are without the training of the pool of ``faces``, which is kept in the cache; ``harness references build faces
--models 256`` trains it on all cores. Everything is drawn from fixed seeds.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence

from benchmarks import pages
from benchmarks.populations import Pool
from benchmarks.verdict import writing
from benchmarks.verdict.drawing import picture
from benchmarks.verdict.plan import FACES, FULL, QUICK, SHORT, study
from harness.core.progress import SilentProgress
from harness_evaluators import forgetting

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
    tables = writing.tables(results)
    print(*tables, sep="\n")
    print(writing.findings(results))
    if options.write:
        evaluator = forgetting.harness_evaluator()
        trained = f"a pool of {models} originals and {2 * models} retrained models of `{FACES}`"
        made_with = pages.made_with(_command(options), [(evaluator.name, evaluator.version)], trained)
        pages.write(options.docs, "verdict-study", writing.page(results, made_with), tables, picture(results))


def _command(options: argparse.Namespace) -> str:
    quick = " --quick" if options.quick else " --short" if options.short else ""
    return f"verdict{quick}{f' --pool {options.pool}' if options.pool else ''}"


def _parser() -> argparse.ArgumentParser:
    parser = pages.parser("verdict", __doc__)
    parser.add_argument("--quick", action="store_true", help="few draws, N = 8 and 32 alone, a smaller pool")
    parser.add_argument("--short", action="store_true", help="a quarter of the draws, and wider binomial intervals")
    parser.add_argument("--pool", type=int, help=f"originals in the pool of {FACES} (default {POOL})")
    return parser


if __name__ == "__main__":
    main()
