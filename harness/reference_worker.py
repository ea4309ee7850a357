"""A process that trains chunks of populations on one core: ``python -m harness.reference_worker``.

Small models do not fill several cores, so that one process a core trains a population faster than one process with several
threads, and on a busy machine many times faster; and what one thread computes does not depend on how many cores there are.

Reads one JSON object a line, {"folder": where to write, "job": a :class:`harness.training.TrainingJob`}; answers each with a line
"done total" a step and then "finished". Ends with its input; a worker whose parent has gone ends with the next line that it
cannot write.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from safetensors.numpy import load_file

from harness.training import FINISHED, TrainingJob, train_into


def main() -> None:
    """Train what standard input asks for."""
    import torch

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


if __name__ == "__main__":
    main()
