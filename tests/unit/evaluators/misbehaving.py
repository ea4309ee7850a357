"""Evaluators that break the interface, each with a part of the error in its record."""

from __future__ import annotations

import ctypes
import faulthandler
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from harness.evaluation import Evidence, Metric, Result


def number(name: str = "a", value: Any = 1.0, **more: Any) -> Metric:
    return Metric(name, value, "lower", "d", **more)


def leaves(_: Evidence) -> Result:
    sys.exit(0)


def ends(_: Evidence) -> Result:
    os._exit(0)


def ends_with_an_error(_: Evidence) -> Result:
    os._exit(7)


def crashes(_: Evidence) -> Result:
    faulthandler.disable()
    ctypes.string_at(0)
    raise AssertionError


def interrupts(_: Evidence) -> Result:
    raise KeyboardInterrupt


def raises(_: Evidence) -> Result:
    raise RuntimeError("first line\n" + "z" * 100_000)


def raises_what_cannot_be_read(_: Evidence) -> Result:
    class UnreadableError(Exception):
        def __str__(self) -> str:
            raise ValueError

    raise UnreadableError


def returns_nothing(_: Evidence) -> Any:
    return None


def returns_a_dict(_: Evidence) -> Any:
    return {"a": 1.0}


def holds_dicts(_: Evidence) -> Result:
    return Result(({"name": "a"},))  # type: ignore[arg-type]


def holds_text(_: Evidence) -> Result:
    return Result((number(value="0.5"),))


def holds_a_flag(_: Evidence) -> Result:
    return Result((number(value=True),))


def holds_an_array(_: Evidence) -> Result:
    return Result((number(value=np.array(0.5)),))


def has_too_many(_: Evidence) -> Result:
    return Result(tuple(number(f"m{i}") for i in range(200_000)))


def has_a_long_name(_: Evidence) -> Result:
    return Result((number("x" * 5000, headline=True),))


def has_no_name(_: Evidence) -> Result:
    return Result((number("", headline=True),))


def has_long_texts(_: Evidence) -> Result:
    return Result((number(note="x" * 100_000),))


def has_large_arrays(_: Evidence) -> Result:
    return Result((number(),), {"a": np.zeros(3_000_000)})


def writes_labels(evidence: Evidence) -> Result:
    evidence.labels["forget"][:] = 0
    return Result((number(),))


def replaces_logits(evidence: Evidence) -> Result:
    evidence.logits["unlearned"] = evidence.logits["retrained"]  # type: ignore[index]
    return Result((number(),))


def writes_times(evidence: Evidence) -> Result:
    evidence.timings.unlearn_s[:] = 0
    return Result((number(),))


def unlocks(evidence: Evidence) -> Result:
    """Write to read-only memory through the address of the array."""
    logits = evidence.logits["unlearned"]["forget"]
    ctypes.memset(logits.ctypes.data, 0, logits.nbytes)
    return Result((number(),))


def runs_for_ever(_: Evidence) -> Result:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    while True:
        time.sleep(1)


MISTAKES: dict[Callable[[Evidence], Any], str] = {
    leaves: "SystemExit: 0",
    ends: "ended its process (exit code 0)",
    ends_with_an_error: "ended its process (exit code 7)",
    crashes: "killed by signal 11",
    interrupts: "KeyboardInterrupt",
    raises: "RuntimeError: first line",
    raises_what_cannot_be_read: "UnreadableError: (its message is not available)",
    returns_nothing: "it is a NoneType; return a harness.evaluation.Result",
    returns_a_dict: "it is a dict",
    holds_dicts: "metric 1 is a dict",
    holds_text: "a.value must be a finite number",
    holds_a_flag: "a.value must be a finite number",
    holds_an_array: "a.value must be a finite number",
    has_too_many: "200,000 metrics, more than 1,000",
    has_a_long_name: "the name of metric 1",
    has_no_name: "the name of metric 1, ''",
    has_long_texts: "longer than",
    has_large_arrays: "3,000,000 numbers",
    writes_labels: "read-only",
    replaces_logits: "does not support item assignment",
    writes_times: "read-only",
    unlocks: "modified the evidence",
}
