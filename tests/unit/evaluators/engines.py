"""Runs a test with the compiled kernels and with NumPy alone."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest

from harness_evaluators import _epsilon

KERNELS = ("harness_evaluators._epsilon_kernels", "harness_evaluators._compiled")


@pytest.fixture(params=["compiled", "numpy"])
def engine(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Epsilons by one engine; "numpy" is what a machine without numba gets."""
    if request.param == "compiled":
        pytest.importorskip("numba")
    else:
        for name in KERNELS:
            monkeypatch.delitem(sys.modules, name, raising=False)
        monkeypatch.setitem(sys.modules, "numba", None)
    _epsilon.kernels.cache_clear()
    yield request.param
    _epsilon.kernels.cache_clear()
