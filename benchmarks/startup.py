"""Start-up time of the quick commands, compared with a bare interpreter and with importing torch.

Every command is started anew, in turns with the others, so that a busy machine slows all of them alike; printed are medians of
the wall clock and of CPU time, and the ratios of the latter::

    python benchmarks/startup.py
    python benchmarks/startup.py --repeats 20
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import time

HARNESS = "from harness.cli import main; main()"
COMMANDS: dict[str, list[str]] = {
    "python -c pass": ["-c", "pass"],
    "harness --help": ["-c", HARNESS, "--help"],
    "harness plugins": ["-c", HARNESS, "plugins"],
    "harness evaluators": ["-c", HARNESS, "evaluators"],
    "python -c 'import torch'": ["-c", "import torch"],
}


def started(arguments: list[str]) -> tuple[float, float]:
    """Seconds of the wall clock and of processors until a process has ended."""
    began, used = time.perf_counter(), os.times()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    now = os.times()
    processor = now.children_user - used.children_user + now.children_system - used.children_system
    return time.perf_counter() - began, processor


def main() -> None:
    """Parse the arguments and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    repeats = parser.parse_args().repeats
    for arguments in COMMANDS.values():
        started(arguments)
    found = {name: list(zip(*rounds, strict=True)) for name, rounds in _in_turns(repeats).items()}
    medians = {name: [statistics.median(each) for each in costs] for name, costs in found.items()}
    bare, torch = medians["python -c pass"][1], medians["python -c 'import torch'"][1]
    print(f"median of {repeats}")
    for name, (wall, processor) in medians.items():
        print(
            f"  {name:26s} {wall:6.3f} s wall, {processor:6.3f} s of processors, {processor / bare:5.1f} x a bare "
            f"interpreter, 1/{torch / processor:.1f} of importing torch"
        )


def _in_turns(repeats: int) -> dict[str, list[tuple[float, float]]]:
    costs: dict[str, list[tuple[float, float]]] = {name: [] for name in COMMANDS}
    for _ in range(repeats):
        for name, arguments in COMMANDS.items():
            costs[name].append(started(arguments))
    return costs


if __name__ == "__main__":
    main()
