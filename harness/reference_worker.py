"""A process that trains one chunk of a population on one core: ``python -m harness.reference_worker JOB OUTPUT``.

Small models do not fill several cores, so that one process a core trains a population faster than one process with several
threads, and on a busy machine many times faster; and what one thread computes does not depend on how many cores there are.
Progress goes to standard output, one line a step: "done total". A worker whose parent has gone ends with the next line that it
cannot write.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from safetensors.numpy import load_file

from harness.training import TrainingJob, train_into


def main() -> None:
    """Train what the job file says into the output folder."""
    import torch

    torch.set_num_threads(1)
    job = TrainingJob(**json.loads(Path(sys.argv[1]).read_text()))
    arrays = load_file(job.data_file)
    train_into(Path(sys.argv[2]), job, arrays, lambda done, total: print(done, total, flush=True))  # noqa: T201


if __name__ == "__main__":
    main()
