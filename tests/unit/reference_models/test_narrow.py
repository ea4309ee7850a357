"""Networks of few channels train on processors without AVX-512, on which torch's own kernels would corrupt the memory."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import sys
import numpy as np
import torch
from reference_specs import spec_of
from reference_models.networks.recipe import Recipe
from reference_models.training.loop import train_chunk, train_one

rng = np.random.default_rng(0)
images, labels = rng.integers(0, 256, (20, 3, 16, 16), dtype=np.uint8), rng.integers(0, 4, 20)
recipe = Recipe(epochs=4, batch_size=8, lr=0.05)
for case in sys.argv[1:]:
    mechanism, width = case.split("-")
    print(case, flush=True)
    spec = spec_of("resnet18", width=int(width))
    if mechanism == "alone":
        train_one(spec, recipe, images, labels, 1)
    else:
        train_chunk(spec, recipe, images, labels, (1, 2), mechanism=mechanism)
"""


def test_narrow_convolutions_do_not_corrupt_the_memory() -> None:
    here = Path(__file__).parent
    ended = subprocess.run(
        [sys.executable, "-c", PROGRAM, "alone-2", "alone-5", "loop-3", "vmap-2", "grouped-2"],
        env={
            **os.environ,
            "ONEDNN_MAX_CPU_ISA": "AVX2",
            "MALLOC_PERTURB_": "85",  # freed memory is filled, so that what was corrupted shows
            "PYTHONPATH": os.pathsep.join([str(here), str(here.parents[2])]),
        },
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )

    assert ended.returncode == 0, ended.stdout + ended.stderr[-1000:]
