"""Does the harness work on this machine's GPU, and what is it worth there? One command, within a given time.

::

    python -m benchmarks.gpu --minutes 12                 # gpu.json and a table
    python -m benchmarks.gpu --minutes 12 --write         # and the page docs/gpu.md
    python -m benchmarks.gpu --dry-run                    # the same parts on the CPU, in tiny sizes

Parts are independent, the most valuable come first, and each has a share of the time that is left. What a part has found is
written at once: the same command goes on where the last one was stopped. Nothing is downloaded. ``--data`` is the folder of
the four files of Fashion-MNIST (Debian's package ``dataset-fashion-mnist``); ``benchmarks/gpu/requirements.txt`` lists what a
machine that has torch may lack, and ``benchmarks/gpu/prove.sh`` installs it from wheels that were carried along.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from benchmarks import pages
from benchmarks.gpu import agreement, container, environment, page, runs, speed
from benchmarks.gpu.proof import Part, Proof
from benchmarks.gpu.sizes import DRY, FULL, Sizes

PARTS = (
    Part("environment", 1, environment.found),
    Part("speed", 3, speed.measured),
    Part("runs", 5, runs.judged),
    Part("agreement", 1, agreement.compared),
    Part("container", 1, container.tried),
)
"""In the order of their value; the numbers are shares of the time that is left."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Do the parts that are missing, and print or write what was found."""
    options = _parser().parse_args(arguments)
    sizes = DRY if options.dry_run else FULL
    proof = Proof(options.output, _identity(sizes, options))
    proof.go_on(PARTS, options, 60 * options.minutes)
    print(page.table(proof.found))
    if options.write:
        page.write(options.docs, proof.found, f"gpu --minutes {options.minutes:g} --write")


def _identity(sizes: Sizes, options: argparse.Namespace) -> dict[str, str]:
    """Return what the parts of one proof have in common."""
    return {"sizes": sizes.name, "device": environment.device_of(options)}


def _parser() -> argparse.ArgumentParser:
    parser = pages.parser("gpu", __doc__)
    parser.add_argument("--minutes", type=float, default=12, help="time for all parts together (default %(default)s)")
    parser.add_argument("--dry-run", action="store_true", help="tiny sizes on the CPU, to try the proof itself")
    parser.add_argument("--output", type=Path, default=Path("gpu-proof"), help="folder of gpu.json and of the runs")
    parser.add_argument("--data", type=Path, help="folder of Fashion-MNIST's files; default: the usual places")
    return parser


if __name__ == "__main__":
    main()
