"""How long after its limit a hostile plugin's last process lives, on a quiet and on a loaded machine.

Every attack of the catalogue that has to be ended by force is carried out in real containers: the machine's cores idle, and
then with two busy processes for each of them. Printed is the time from the limit to the moment at which nothing of the model
lived any more, and where the harness's own ends of the clock lie::

    python benchmarks/deadlines.py
    python benchmarks/deadlines.py --repeats 5

The promise is one second. Needs a Docker engine; the attacks are those of ``harness doctor --attack``.
"""

from __future__ import annotations

import argparse
import multiprocessing
import statistics
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from harness.core.hardware import available_cores
from harness.core.outcomes import Status
from harness.core.progress import SilentProgress
from harness.doctor.attacks.attack import Attack, Finding
from harness.doctor.attacks.catalogue import ATTACKS, run_all
from harness.doctor.attacks.environment import AttackEnvironment, prepared
from harness.runners.registry import load_runner
from harness.runners.session.time_limit import KILL_GRACE_S, WATCHDOG_GRACE_S

PROMISE_S = 1.0
BUSY_PER_CORE = 2


def _spin() -> None:
    number = 1
    while True:
        number = number * 3 % 1_000_003


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep the machine busy with so many processes for the time of a block."""
    busy = [multiprocessing.Process(target=_spin, daemon=True) for _ in range(processes)]
    for process in busy:
        process.start()
    try:
        yield
    finally:
        for process in busy:
            process.kill()
            process.join()


def measure(environment: AttackEnvironment, attacks: Sequence[Attack], repeats: int) -> list[Finding]:
    """Carry the attacks out so many times."""
    return [finding for _ in range(repeats) for finding in run_all(environment, attacks)]


def show(title: str, findings: Sequence[Finding]) -> float:
    """Print one line an attack; returns the longest time."""
    print(f"\n{title}\n{'attack':<36} {'median s':>9} {'longest s':>10}")
    names = list(dict.fromkeys(finding.attack.name for finding in findings))
    longest = 0.0
    for name in names:
        late = [one.overshoot_s for one in findings if one.attack.name == name and one.overshoot_s is not None]
        if late:
            longest = max(longest, *late)
            print(f"{name:<36} {statistics.median(late):>9.3f} {max(late):>10.3f}")
        else:
            print(f"{name:<36} {'no limit was reached':>20}")
    for fault in (f"{one.attack.name}: {fault}" for one in findings for fault in (*one.faults, one.skipped) if fault):
        print(f"did not hold: {fault}")
    return longest


def main() -> None:
    """Measure, print, and say whether the promise was kept."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--runner", default="docker", help="as of harness run")
    arguments = parser.parse_args()
    repeats = arguments.repeats
    attacks = [attack for attack in ATTACKS if Status.TIMEOUT in attack.expected]
    processes = BUSY_PER_CORE * available_cores()
    with prepared(load_runner(arguments.runner), attacks, SilentProgress()) as environment:
        quiet_s = show("quiet", measure(environment, attacks, repeats))
        with load(processes):
            loaded_s = show(
                f"with {processes} busy processes on {available_cores()} cores", measure(environment, attacks, repeats)
            )
    print(f"\nThe guest kills at the limit, the host {KILL_GRACE_S} s later, the watchdog {WATCHDOG_GRACE_S} s later.")
    print(f"Longest: quiet {quiet_s:.3f} s, loaded {loaded_s:.3f} s; promised {PROMISE_S:.0f} s.")


if __name__ == "__main__":
    main()
