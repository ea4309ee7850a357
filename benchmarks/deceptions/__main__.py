"""Is the evaluation deceived?

::

    python -m benchmarks.deceptions                              # verdicts at N = 8, 16, 32, 64; exit 1 if a rule is broken
    python -m benchmarks.deceptions --models 32 --draws 5
    python -m benchmarks.deceptions --source faces --models 16 32
    python -m benchmarks.deceptions --write                      # and docs/deceptions.md, docs/deceptions/*.csv

Every submission of the catalogue is judged as a run would judge it. The rules are those of :mod:`benchmarks.deceptions.rules`.
Synthetic models cost nothing; those of a task are trained once and kept in the cache.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from benchmarks import pages
from benchmarks.deceptions import blind_spots, fooled, page, real, rules, table
from benchmarks.deceptions.catalogue import ALL, find
from benchmarks.deceptions.judging import VERDICT_FROM, Judgement
from benchmarks.deceptions.study import Plan, source_of
from benchmarks.deceptions.wheel import names
from benchmarks.judging import evaluators, versions

SIZES = (8, 16, 32, 64)


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, print the table, and return 1 if a rule is broken."""
    options = _parser().parse_args(arguments)
    chosen = [find(name) for name in options.only] if options.only else ALL
    plan = Plan(source_of(options.source, max(options.models)), options.models, options.draws, chosen)
    judgements = _judged(plan)
    print(table.text(judgements))
    if options.write and not options.only:
        _write(judgements, options)
    broken = rules.broken(judgements)
    print("\n".join(("", *broken, f"{len(broken)} submissions break a rule.")))
    return 1 if broken else 0


def _judged(plan: Plan) -> list[Judgement]:
    found = []
    for one in plan.judgements(evaluators([VERDICT_FROM])):
        found.append(one)
        print(f"\r{len(found)} judged", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def _write(judgements: Sequence[Judgement], options: argparse.Namespace) -> None:
    """Compute all metrics of all submissions, on synthetic models, and write the page."""
    judged = evaluators()
    found = fooled.matrix(options.metrics, judged, lambda: print(".", end="", file=sys.stderr, flush=True))
    sizes = " ".join(map(str, options.models))
    made_with = pages.made_with(
        f"deceptions --models {sizes} --draws {options.draws} --source {options.source} --metrics {options.metrics}",
        versions(judged),
        f"last table: {blind_spots.made_with()}",
    )
    blind = blind_spots.table()
    text = page.text(judgements, found, blind, made_with, len(names()) - len(real.MAY_LOOK_GOOD))
    pages.write(options.docs, "deceptions", text, [*page.tables(judgements, found), blind])


def _parser() -> argparse.ArgumentParser:
    parser = pages.parser("deceptions", __doc__)
    parser.add_argument("--models", type=int, nargs="+", default=SIZES, help="numbers of models (default 8 16 32 64)")
    parser.add_argument(
        "--draws", type=int, default=1, help="draws of models, and of examples where synthetic (default 1)"
    )
    parser.add_argument(
        "--only", action="append", choices=[one.name for one in ALL], metavar="NAME", help="judge this one"
    )
    parser.add_argument("--source", default="synthetic", help="synthetic, or the name of a task (default synthetic)")
    parser.add_argument("--metrics", type=int, default=16, help="models for the table of metrics (default 16)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
