"""Is the evaluation deceived?

::

    python -m benchmarks.deceptions                              # verdicts at N = 8, 16, 32, 64; exit 1 if a rule is broken
    python -m benchmarks.deceptions --models 32 --draws 5
    python -m benchmarks.deceptions --source faces --models 16 32
    python -m benchmarks.deceptions --write                      # and docs/deceptions.md, with the table of metrics

Every submission of the catalogue is judged as a run would judge it. The rules are those of :mod:`benchmarks.deceptions.rules`.
Synthetic models cost nothing; those of a task are trained once and kept in the cache.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks.deceptions import rules, table
from benchmarks.deceptions.judging import Judgement, evaluators
from benchmarks.deceptions.study import Plan, source_of

SIZES = (8, 16, 32, 64)
DOCS = Path(__file__).parents[2] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, print the table, and return 1 if a rule is broken."""
    options = _parser().parse_args(arguments)
    plan = Plan(source_of(options.source, max(options.models)), options.models, options.draws)
    judgements = _judged(plan)
    print(table.text(judgements))
    broken = rules.broken(judgements)
    print("\n".join(("", *broken, f"{len(broken)} submissions break a rule.")))
    return 1 if broken else 0


def _judged(plan: Plan) -> list[Judgement]:
    found = []
    for one in plan.judgements(evaluators()):
        found.append(one)
        print(f"\r{len(found)} judged", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.deceptions",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--models", type=int, nargs="+", default=SIZES, help="numbers of models (default 8 16 32 64)")
    parser.add_argument(
        "--draws", type=int, default=1, help="draws of models, and of examples where synthetic (default 1)"
    )
    parser.add_argument("--source", default="synthetic", help="synthetic, or the name of a task (default synthetic)")
    parser.add_argument("--write", action="store_true", help="write deceptions.md, with the table of metrics")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where to (default: the docs folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
