"""The status of every end, from what was seen alone."""

from __future__ import annotations

import signal

import pytest

from harness.core.outcomes import Status
from harness.runners.session.causes import ADVICE, LOAD_ADVICE, Facts, decide
from harness_guest.protocol import LOST, Ended


def ended(**fields: object) -> Ended:
    return Ended(**{"index": 0, "exit_code": 0, "signal": None, **fields})  # type: ignore[arg-type]


def raised(kind: str, message: str = "", problem: str = "plugin_error") -> Ended:
    return ended(exit_code=1, error_type=kind, error_message=message, problem=problem)


def facts(**fields: object) -> Facts:
    return Facts(**{"started": True, "imported": True, "elapsed_s": 1.0, "limit_s": 2.0, **fields})  # type: ignore[arg-type]


KILLED = ended(exit_code=None, signal=signal.SIGKILL, problem="output_missing")

TABLE = [
    ("a result in time", facts(ended=ended(), has_weights=True), Status.OK),
    ("no limit", facts(ended=ended(), has_weights=True, limit_s=None, elapsed_s=1e6), Status.OK),
    ("exactly at the limit", facts(ended=ended(), has_weights=True, elapsed_s=2.0), Status.OK),
    ("a result too late", facts(ended=ended(), has_weights=True, elapsed_s=2.001), Status.TIMEOUT),
    ("a bad result too late", facts(ended=ended(), weights_problem="output_invalid", elapsed_s=3.0), Status.TIMEOUT),
    ("the guest's own deadline", facts(ended=ended(deadline=True, exit_code=None, signal=9)), Status.TIMEOUT),
    ("killed by the host", facts(guest_exit_code=137, elapsed_s=2.3, killed_by_host=True), Status.TIMEOUT),
    (
        "a helper's memory kill, then killed by the host",
        facts(guest_exit_code=137, elapsed_s=2.3, killed_by_host=True, oom_rise=1),
        Status.TIMEOUT,
    ),
    (
        "CPU seconds in time",
        facts(ended=ended(), has_weights=True, elapsed_s=9.0, clock="cpu", used=1.9),
        Status.OK,
    ),
    ("too many CPU seconds", facts(ended=ended(), has_weights=True, clock="cpu", used=2.1), Status.TIMEOUT),
    (
        "in time, but after the deadline",
        facts(ended=ended(), has_weights=True, clock="cpu", used=0.1, elapsed_s=61.0, deadline_s=60.0),
        Status.TIMEOUT,
    ),
    ("as many examples as are allowed", facts(ended=ended(), has_weights=True, clock="steps", used=2.0), Status.OK),
    ("examples that were refused", facts(ended=raised("LimitReachedError"), clock="steps", used=2.0), Status.TIMEOUT),
    ("an exception of that name, without such a limit", facts(ended=raised("LimitReachedError")), Status.PLUGIN_ERROR),
    ("an exception too late", facts(ended=raised("ValueError"), elapsed_s=2.1), Status.TIMEOUT),
    ("a memory kill", facts(ended=KILLED, oom_rise=1), Status.OOM),
    ("a memory kill late in the model's life", facts(ended=KILLED, oom_rise=1, elapsed_s=2.1), Status.OOM),
    ("a memory kill while loading", Facts(started=False, ended=KILLED, oom_rise=1), Status.OOM),
    ("the whole guest killed for memory", facts(guest_exit_code=137, oom_rise=1), Status.OOM),
    ("a memory kill of a helper process", facts(ended=ended(), has_weights=True, oom_rise=1), Status.OK_DEGRADED),
    ("refused threads of a helper", facts(ended=ended(), has_weights=True, refused_forks=3), Status.OK_DEGRADED),
    ("no refused threads", facts(ended=ended(), has_weights=True, refused_forks=0), Status.OK),
    (
        "a helper's memory kill, then a deadline",
        facts(ended=ended(deadline=True, signal=9), oom_rise=1),
        Status.TIMEOUT,
    ),
    ("a kill without memory trouble", facts(ended=KILLED), Status.KILLED_SIGNAL),
    ("a crash", facts(ended=ended(exit_code=None, signal=11, problem="output_missing")), Status.KILLED_SIGNAL),
    ("an unknown signal", facts(ended=ended(exit_code=None, signal=60)), Status.KILLED_SIGNAL),
    ("a forbidden call", facts(ended=ended(exit_code=None, signal=31)), Status.POLICY_VIOLATION),
    ("a broken protocol", facts(violation="x", ended=ended(), has_weights=True), Status.POLICY_VIOLATION),
    ("a broken protocol, late", facts(violation="x", elapsed_s=9.0), Status.POLICY_VIOLATION),
    ("the guest shot from outside", facts(guest_exit_code=-9), Status.KILLED_SIGNAL),
    ("a container shot from outside", facts(guest_exit_code=137, guest_is_init=True), Status.INFRA_ERROR),
    (
        "a container shot twice under one model",
        facts(guest_exit_code=137, guest_is_init=True, tried_before=True),
        Status.KILLED_SIGNAL,
    ),
    ("the guest ended by itself", facts(guest_exit_code=1), Status.INFRA_ERROR),
    ("the guest vanished", facts(), Status.INFRA_ERROR),
    ("the guest vanished after the result", facts(has_weights=True, guest_exit_code=137), Status.OK),
    ("the model could not be loaded", Facts(started=False, ended=raised("RuntimeError", "size")), Status.SETUP_ERROR),
    ("a memory error while loading", Facts(started=False, ended=raised("MemoryError")), Status.SETUP_ERROR),
    ("a crash while loading", Facts(started=False, ended=ended(exit_code=None, signal=11)), Status.SETUP_ERROR),
    ("killed while loading", Facts(started=False, ended=KILLED), Status.INFRA_ERROR),
    ("the guest vanished while loading", Facts(started=False, guest_exit_code=1), Status.INFRA_ERROR),
    (
        "the GPU is lost",
        Facts(started=False, ended=raised("GpuLostError", "none", problem="infra_error")),
        Status.INFRA_ERROR,
    ),
    ("a plugin that blames the sandbox", facts(ended=raised("E", problem="infra_error")), Status.PLUGIN_ERROR),
    ("the model was not ready in time", Facts(started=False, setup_timed_out=True), Status.INFRA_ERROR),
    ("no result", facts(ended=ended(problem="output_missing")), Status.OUTPUT_MISSING),
    ("too much", facts(ended=ended(signal=9, exit_code=None, problem="output_too_large")), Status.OUTPUT_TOO_LARGE),
    (
        "refused by the guest",
        facts(ended=raised("OutputInvalidError", problem="output_invalid")),
        Status.OUTPUT_INVALID,
    ),
    ("refused by the host", facts(ended=ended(), weights_problem="output_invalid"), Status.OUTPUT_INVALID),
    ("too large for the host", facts(ended=ended(), weights_problem="output_too_large"), Status.OUTPUT_TOO_LARGE),
    ("an exception", facts(ended=raised("ValueError", "x")), Status.PLUGIN_ERROR),
    ("an import error", facts(ended=raised("ImportError", problem="setup_error")), Status.SETUP_ERROR),
    ("MemoryError", facts(ended=raised("MemoryError")), Status.PLUGIN_ERROR),
    ("MemoryError on import", facts(ended=raised("MemoryError", problem="setup_error")), Status.SETUP_ERROR),
    (
        "torch's allocator",
        facts(ended=raised("RuntimeError", "DefaultCPUAllocator: can't allocate memory")),
        Status.PLUGIN_ERROR,
    ),
    (
        "a memory kill of a helper, then an exception",
        facts(ended=raised("ValueError"), oom_rise=1),
        Status.PLUGIN_ERROR,
    ),
    ("torch's GPU allocator", facts(ended=raised("OutOfMemoryError", "CUDA out of memory. Tried")), Status.OOM_GPU),
    (
        "words about a GPU where there is none",
        facts(ended=raised("OutOfMemoryError", "CUDA out of memory"), on_gpu=False),
        Status.PLUGIN_ERROR,
    ),
    ("cuBLAS", facts(ended=raised("RuntimeError", "CUBLAS_STATUS_ALLOC_FAILED when")), Status.OOM_GPU),
    ("a full disk", facts(ended=raised("OSError", "[Errno 28] No space left on device: 'x'")), Status.DISK_FULL),
    ("no more threads", facts(ended=raised("RuntimeError", "can't start new thread")), Status.PIDS_LIMIT),
    (
        "words about threads, though none was refused",
        facts(ended=raised("RuntimeError", "can't start new thread"), refused_forks=0),
        Status.PLUGIN_ERROR,
    ),
    ("no more threads, as the kernel says", facts(ended=raised("BlockingIOError"), refused_forks=1), Status.PIDS_LIMIT),
    ("no more processes", facts(ended=raised("BlockingIOError", "[Errno 11] Resource")), Status.PIDS_LIMIT),
]


@pytest.mark.parametrize(("seen", "status"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
def test_what_was_seen_decides_the_status(seen: Facts, status: Status) -> None:
    verdict = decide(seen)

    assert verdict.status is status
    assert bool(verdict.advice) is (status is not Status.OK)


def test_every_status_but_killed_has_one_sentence_of_advice() -> None:
    assert set(Status) - set(ADVICE) == {Status.KILLED_SIGNAL}


def test_a_crash_is_explained_by_its_signal() -> None:
    advice = {
        number: decide(facts(ended=ended(exit_code=None, signal=number))).advice
        for number in (signal.SIGSEGV, signal.SIGBUS, 60)
    }

    assert "SIGSEGV" in advice[signal.SIGSEGV]
    assert "shared memory" in advice[signal.SIGBUS]
    assert "signal 60" in advice[60]


def test_an_import_beyond_its_allowance_is_told_from_a_limit_that_passed_in_the_hook() -> None:
    killed = {"ended": ended(deadline=True, exit_code=None, signal=9), "import_limit_s": 7.5}
    during, after = (decide(facts(imported=imported, **killed)) for imported in (False, True))
    by_host = decide(facts(imported=False, elapsed_s=None, guest_exit_code=137, killed_by_host=True))

    assert during.status is after.status is by_host.status is Status.TIMEOUT
    assert "import of the plugin exceeded its limit of 7.5 s" in during.advice
    assert "import of the plugin" in by_host.advice
    assert "context.remaining_s" in after.advice


def test_a_guest_whose_serving_process_was_killed_says_by_which_signal() -> None:
    verdict = decide(facts(guest_exit_code=LOST + signal.SIGKILL, guest_is_init=True))

    assert verdict.status is Status.KILLED_SIGNAL
    assert "SIGKILL" in verdict.advice


def test_weights_that_do_not_fit_after_the_import_are_not_the_plugins_fault() -> None:
    verdict = decide(facts(ended=raised("RuntimeError", "size mismatch", problem="setup_error")))

    assert (verdict.status, verdict.advice) == (Status.SETUP_ERROR, LOAD_ADVICE)


@pytest.mark.parametrize(("clock", "words"), [("cpu", "CPU seconds"), ("steps", "limit on examples")])
def test_the_advice_names_what_was_used_up(clock: str, words: str) -> None:
    assert words in decide(facts(ended=ended(), has_weights=True, clock=clock, used=3.0)).advice
