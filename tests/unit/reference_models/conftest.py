from __future__ import annotations

import numpy as np
import pytest
from reference_specs import Examples


@pytest.fixture(name="examples")
def _examples() -> Examples:
    """20 pictures, 16x16 RGB."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (20, 3, 16, 16), dtype=np.uint8)
    return images, rng.integers(0, 4, 20).astype(np.int64)
