"""A process that trains chunks of populations on one core: ``python -m harness.reference_worker``.

Small models do not fill several cores, so that one process a core trains a population faster than one process with several
threads, and on a busy machine many times faster; and what one thread computes does not depend on how many cores there are.

Reads one JSON object a line, {"folder": where to write, "job": a :class:`harness.training.TrainingJob`}; answers each with a line
"done total" a step and then "finished". Ends with its input, which ends with the parent, however that ends.
"""

from __future__ import annotations

import json
import os
import select
import sys
import threading
from pathlib import Path

from safetensors.numpy import load_file

from harness.training import FINISHED, TrainingJob, train_into


def main() -> None:
    """Train what standard input asks for."""
    import torch

    threading.Thread(target=_end_with_the_parent, daemon=True).start()
    torch.set_num_threads(1)
    answers, sys.stdout = sys.stdout, sys.stderr  # what a task's own network prints must not be taken for an answer

    def report(done: int, total: int) -> None:
        answers.write(f"{done} {total}\n")
        answers.flush()

    for line in sys.stdin:
        order = json.loads(line)
        job = TrainingJob(**order["job"])
        train_into(Path(order["folder"]), job, load_file(job.data_file), report)
        answers.write(FINISHED)
        answers.flush()


def _end_with_the_parent() -> None:
    """Nobody wants what a worker without a parent trains; the cache sweeps up what it has half written."""
    poll = select.poll()
    poll.register(sys.stdin.fileno(), select.POLLHUP)
    poll.poll()
    os._exit(1)


if __name__ == "__main__":
    main()
