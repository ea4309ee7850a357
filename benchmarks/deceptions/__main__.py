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

from benchmarks.deceptions import fooled, page, real, rules, table
from benchmarks.deceptions.catalogue import ALL, find
from benchmarks.deceptions.judging import Judgement, evaluators
from benchmarks.deceptions.study import Plan, source_of
from benchmarks.deceptions.wheel import names
from benchmarks.validity.judging import NOT_JUDGED
from harness.plugins.discovery import library_versions

SIZES = (8, 16, 32, 64)
DOCS = Path(__file__).parents[2] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Judge, print the table, and return 1 if a rule is broken."""
    options = _parser().parse_args(arguments)
    chosen = [find(name) for name in options.only] if options.only else ALL
    plan = Plan(source_of(options.source, max(options.models)), options.models, options.draws, chosen)
    judgements = _judged(plan)
    print(table.text(judgements))
    if options.write and not options.only:
        (options.docs / "deceptions.md").write_text(_page(judgements, options))
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


def _page(judgements: Sequence[Judgement], options: argparse.Namespace) -> str:
    """Compute all metrics of all submissions, on synthetic models, and return the page."""
    judged = [one for one in evaluators(()) if one.info.name != NOT_JUDGED]
    versions = library_versions()
    sizes = " ".join(map(str, options.models))
    chosen = f"--models {sizes} --draws {options.draws} --source {options.source} --metrics {options.metrics}"
    facts = [
        f"`python -m benchmarks.deceptions {chosen} --write`",
        ", ".join(f"{name} {versions[name]}" for name in ("unlearning-harness", "numpy", "scipy")),
        "evaluators " + ", ".join(f"{one.info.name} {one.info.version}" for one in judged),
    ]
    found = fooled.matrix(options.metrics, judged, lambda: print(".", end="", file=sys.stderr, flush=True))
    return page.text(judgements, found, facts, len(names()) - len(real.MAY_LOOK_GOOD))


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
    parser.add_argument(
        "--only", action="append", choices=[one.name for one in ALL], metavar="NAME", help="judge this one"
    )
    parser.add_argument("--source", default="synthetic", help="synthetic, or the name of a task (default synthetic)")
    parser.add_argument("--write", action="store_true", help="write deceptions.md, with the table of metrics")
    parser.add_argument("--metrics", type=int, default=16, help="models for the table of metrics (default 16)")
    parser.add_argument("--docs", type=Path, default=DOCS, help="where to (default: the docs folder)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
