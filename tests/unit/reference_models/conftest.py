from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch
from reference_specs import Examples


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Tiny tensors gain nothing from threads, and a fixed number makes sums the same on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(name="examples")
def _examples() -> Examples:
    """20 pictures, 16x16 RGB."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    return images, rng.integers(0, 4, 20).astype(np.int64)
