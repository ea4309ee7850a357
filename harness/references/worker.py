"""The worker process that trains chunks of populations, or computes probes, on one core: ``python -m harness.references.worker``.

Small models do not use several cores well, so one single-threaded process per core is faster than one process with several
threads, and many times faster on a busy machine. Results of a single thread also do not depend on the number of cores.

Each line of input is a JSON object {"folder": output folder, "kind": "train" or "probe", "job": a
:class:`harness.references.worker_pool.TrainingJob` or :class:`harness.references.probe_jobs.ProbeJob`}.
The output for each is a line "done total" per step, then "finished". The process exits when its input is closed,
e.g. when its parent dies.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from pathlib import Path

from harness.core.tensors import map_tensors
from harness.references.probe_jobs import ProbeJob, probe_into
from harness.references.worker_pool import FINISHED, TrainingJob, train_into


def main() -> None:
    """Do the jobs read from standard input."""
    import torch

    threading.Thread(target=_exit_with_parent, daemon=True).start()
    torch.set_num_threads(1)
    answers, sys.stdout = (
        sys.stdout,
        sys.stderr,
    )  # output printed by a task's own network must not mix with the protocol

    def report(done: int, total: int) -> None:
        answers.write(f"{done} {total}\n")
        answers.flush()

    for line in sys.stdin:
        request = json.loads(line)
        site = request["job"]["site"]
        if site is not None and site not in sys.path:
            sys.path.insert(0, site)
        arrays = map_tensors(Path(request["job"]["data_file"]))
        if request["kind"] == "probe":
            probe_into(Path(request["folder"]), ProbeJob(**request["job"]), arrays, report)
        else:
            train_into(Path(request["folder"]), TrainingJob(**request["job"]), arrays, report)
        answers.write(FINISHED)
        answers.flush()


def _exit_with_parent() -> None:
    """Exit once the parent has died; the cache removes incomplete entries."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLHUP)
    poll.poll()
    os._exit(1)


if __name__ == "__main__":
    main()
