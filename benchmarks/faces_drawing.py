"""How many faces a second are drawn, on one core::

python benchmarks/faces_drawing.py
python benchmarks/faces_drawing.py --pictures 100000
"""

from __future__ import annotations

import argparse
import time

from harness.tasks.datasets.faces.faces import faces_examples

PICTURES_EACH = 10


def main() -> None:
    """Draw, and print pictures per second by the processor's time and by the wall clock."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pictures", type=int, default=10_000, help="how many to draw (default 10,000)")
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    persons = max(1, arguments.pictures // PICTURES_EACH)
    wall_s, processor_s = time.perf_counter(), time.process_time()
    drawn = len(faces_examples(persons=persons, pictures=PICTURES_EACH, seed=arguments.seed))
    wall_s, processor_s = time.perf_counter() - wall_s, time.process_time() - processor_s
    print(f"{drawn:,} pictures: {processor_s:.2f} s of CPU time, {wall_s:.2f} s by the clock")
    print(f"{drawn / processor_s:,.0f} pictures per second of CPU time; {drawn / wall_s:,.0f} by the clock")


if __name__ == "__main__":
    main()
