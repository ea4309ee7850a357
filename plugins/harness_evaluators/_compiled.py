"""Compiling loops, and elementary functions that a compiler can run on vectors.

Importing this module needs numba and takes its time: it is imported by kernels alone, and those only where there is much
to do, see :func:`harness_evaluators._shared.kernels`. Kernels release the interpreter lock. Compiled code is cached beside the
source, or in the user's cache folder, or, where no folder can be written, not at all.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Numbers = NDArray[np.floating]
Function = TypeVar("Function", bound=Callable[..., Any])

numba = importlib.import_module("numba")


def compiled(function: Function) -> Function:
    """Compile on first call, and keep the result on disk where that is possible."""
    return _compiled(function, {})


def vectorised(function: Function) -> Function:
    """As :func:`compiled`; sums may be taken in another order, products and sums be fused, and divisions by 0 give inf."""
    return _compiled(function, {"fastmath": {"contract", "reassoc"}, "error_model": "numpy"})


def _compiled(function: Function, options: dict[str, Any]) -> Function:
    try:
        kernel: Function = numba.njit(cache=True, nogil=True, **options)(function)
    except RuntimeError:  # numba found no folder that it may write
        kernel = numba.njit(nogil=True, **options)(function)
    return kernel


_LOG2_E = 1 / math.log(2)
_LN2 = math.log(2)
_LN2_HIGH = math.floor(_LN2 * 2**32) / 2**32
"""The first bits of ln 2: its product with an exponent has no rounding."""

_LN2_LOW = 2.0**-32 * 0.8195720714955628
"""ln 2 less :data:`_LN2_HIGH`."""

_ROUNDING = 1.5 * 2**52
"""Added to a small number it leaves the nearest integer in the last bits."""

_F2, _F3, _F4, _F5, _F6, _F7, _F8, _F9, _F10, _F11, _F12, _F13 = (1 / math.factorial(i) for i in range(2, 14))
_S1, _S2, _S3, _S4 = (np.float32(2 / (2 * i + 1)) for i in range(1, 5))
_ONE, _TWO, _LN2_SINGLE = np.float32(1), np.float32(2), np.float32(_LN2)
_ROOT_HALF = np.int32(0x3F3504F3)
"""The bits of sqrt(1/2) in single precision."""

_MANTISSA = np.int32(23)


@vectorised
def exp(x: float) -> float:
    """e^x to the last bit but one; x is held within +-708. 2^k times the Taylor series on +-ln(2)/2."""
    x = min(max(x, -708.0), 708.0)
    shifted = x * _LOG2_E + _ROUNDING
    k = shifted - _ROUNDING
    r = (x - k * _LN2_HIGH) - k * _LN2_LOW
    p = _F13 * r + _F12
    p = ((p * r + _F11) * r + _F10) * r + _F9
    p = ((p * r + _F8) * r + _F7) * r + _F6
    p = ((p * r + _F5) * r + _F4) * r + _F3
    p = ((p * r + _F2) * r + 1.0) * r + 1.0
    bits = (np.float64(shifted).view(np.int64) + 1023) << 52
    return p * np.int64(bits).view(np.float64)  # type: ignore[no-any-return]


@vectorised
def exponentiate(x: Numbers, top: Numbers) -> None:
    """Set x to e^(x - top), shape (n,). Apart from sums, and in a function of its own, the compiler runs it on vectors."""
    for i in range(len(x)):
        x[i] = exp(np.float64(x[i] - top[i]))


@compiled
def copy(x: NDArray[Any], out: NDArray[Any]) -> None:
    """Set ``out``, shape (n,), to the first n of x. Compiles in a hundredth of the time that ``out[:] = x`` takes."""
    for i in range(len(out)):
        out[i] = x[i]


@compiled
def settle(values: NDArray[Any], moves: int) -> bool:
    """Sort values, shape (n,), that are nearly in order, by insertion; whether so many moves were enough."""
    for i in range(1, len(values)):
        value, j = values[i], i
        while j > 0 and values[j - 1] > value:
            values[j] = values[j - 1]
            j -= 1
        values[j] = value
        moves -= i - j
        if moves < 0:
            return False
    return True


@vectorised
def add(x: Numbers, out: Numbers) -> None:
    """Add to ``out``, shape (n,)."""
    for i in range(len(out)):
        out[i] += x[i]


@vectorised
def log(x: np.float32) -> np.float32:
    """ln x of a normal single-precision number above 0, to 2e-7: k ln 2 + 2 artanh((m - 1) / (m + 1)), m next to 1."""
    bits = np.float32(x).view(np.int32)
    k = np.int32(np.int32(bits - _ROOT_HALF) >> _MANTISSA)
    m = np.int32(bits - np.int32(k << _MANTISSA)).view(np.float32)
    s = (m - _ONE) / (m + _ONE)
    z = s * s
    p = ((_S4 * z + _S3) * z + _S2) * z + _S1
    return np.float32(k) * _LN2_SINGLE + (p * z + _TWO) * s  # type: ignore[no-any-return]


_R = tuple(2 / (2 * i + 1) for i in range(18))
_R0, _R1, _R2, _R3, _R4, _R5, _R6, _R7, _R8 = _R[:9]
_R9, _R10, _R11, _R12, _R13, _R14, _R15, _R16, _R17 = _R[9:]


@vectorised
def log_rest(p: float) -> float:
    """ln(1 - p) for p in [0, 1/2], to rounding: -2 artanh(p / (2 - p)) by its series."""
    s = p / (2 - p)
    z = s * s
    q = (_R17 * z + _R16) * z + _R15
    q = ((q * z + _R14) * z + _R13) * z + _R12
    q = ((q * z + _R11) * z + _R10) * z + _R9
    q = ((q * z + _R8) * z + _R7) * z + _R6
    q = ((q * z + _R5) * z + _R4) * z + _R3
    return -(((q * z + _R2) * z + _R1) * z + _R0) * s
