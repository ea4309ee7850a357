"""Every order of what a model's process says, sends and how it ends gives a status with its own cause, and the next works."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from harness.core.outcomes import Status
from harness.runners.process_handle import ProcessHandle
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest
from harness_guest.protocol import Hello
from reference_models.networks.recipe import to_json
from tests.unit.guest.lab import RECIPE, SPEC, original_state, write_data

GUEST = """
import json, os, signal, sys, time
import harness_guest.child as child
from harness_guest.__main__ import main

def _work(prepared, job, ends, guests):
    child._detach(ends, guests[-1])
    original = b"x" * 100
    for act in SCRIPTS[job.index]:
        if act == "importing": os.write(ends.report, child.IMPORTING_LINE), os.read(ends.go, 1)
        if act == "imported": os.write(ends.report, child.IMPORTED_LINE)
        if act == "go": original = open(child.path_of(child._handed(ends.go).weights), "rb").read()
        if act == "error": child._report(ends, {"problem": "setup_error" if "go" not in SCRIPTS[job.index]
            else "plugin_error", "error_type": "OwnError", "error_message": "its own cause"})
        if act == "gpu": child._report(ends, {"problem": "infra_error", "error_type": "E", "error_message": "no GPU"})
        if act == "half line": os.write(ends.report, b'{"pro')
        if act == "noise": os.write(ends.report, b'noise\\n')
        if act == "weights": child._write_all(ends.weights, original)
        if act == "half": child._write_all(ends.weights, original[:50])
        if act == "announced": child._report(ends, {"weights_bytes": len(original)})
        if act == "exit 0": return 0
        if act == "exit 3": os._exit(3)
        if act == "segv": signal.signal(signal.SIGSEGV, signal.SIG_DFL); os.kill(os.getpid(), signal.SIGSEGV)
        if act == "kill": os.kill(os.getpid(), signal.SIGKILL)
        if act == "hang": time.sleep(1000)
    return 0

child._work = _work
import harness_guest.watch
harness_guest.watch.LAST_WORD_S = 0.1
sys.exit(main())
"""

STAGES = {
    "loading": (),
    "importing": ("importing",),
    "started": ("importing", "imported", "go"),
}
WORDS = {
    "nothing": (),
    "an error": ("error",),
    "half a line": ("half line",),
    "noise": ("noise",),
    "half the weights": ("half", "announced"),
    "weights without a word": ("weights",),
    "a result": ("weights", "announced"),
    "a result after an error": ("error", "weights", "announced"),
}
ENDS = ("exit 0", "exit 3", "segv", "kill")
ORDERS = list(itertools.product(STAGES, WORDS, ENDS))


def expected(stage: str, word: str, end: str) -> Status:
    """Return the status that follows from the rules alone."""
    said_error, died = word == "an error", {"segv": signal.SIGSEGV, "kill": signal.SIGKILL}.get(end)
    if stage == "loading":
        return Status.INFRA_ERROR if end == "kill" and not said_error else Status.SETUP_ERROR
    if word in ("a result", "a result after an error") and end == "exit 0":
        return Status.OK if stage == "started" else Status.OUTPUT_MISSING
    if said_error:
        return Status.PLUGIN_ERROR if stage == "started" else Status.SETUP_ERROR
    if died:
        return Status.KILLED_SIGNAL
    return Status.OUTPUT_INVALID if word == "half the weights" else Status.OUTPUT_MISSING


def session_of(folder: Path, scripts: list[tuple[str, ...]]) -> Session:
    """Return a session with a real guest; the process of model i executes script i."""
    state = original_state()
    data = write_data(folder / "data.safetensors")
    hello = Hello("probe", "probe", to_json(SPEC), to_json(RECIPE))
    place = folder / "guest"

    def start() -> ProcessHandle:
        place.mkdir(exist_ok=True)
        return ProcessHandle(place, {}, ("-c", f"SCRIPTS = {scripts!r}\n{GUEST}"))

    return Session(start, hello, data=data, manifest=Manifest.of(state))


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Session]:
    scripts = [(*STAGES[stage], *WORDS[word], end) for stage, word, end in ORDERS]
    more = [("error", "hang"), ("gpu", "exit 3"), ("noise", "hang")]
    with session_of(tmp_path_factory.mktemp("orders"), [*scripts, *more]) as session:
        yield session


@pytest.mark.parametrize(("stage", "word", "end"), ORDERS, ids=[", ".join(order) for order in ORDERS])
def test_every_order_of_events_has_its_status(session: Session, stage: str, word: str, end: str) -> None:
    outcome, _ = session.unlearn(ORDERS.index((stage, word, end)), 0, original_state(), 60.0)

    assert outcome.status is expected(stage, word, end)
    assert outcome.attempts == 1  # the guest lives: nothing here is the sandbox's fault
    if word == "an error" and outcome.status is not Status.INFRA_ERROR:
        assert outcome.evidence.error_message == "its own cause"
    if stage == "loading":
        assert outcome.evidence.error_message
        assert outcome.evidence.elapsed_s is None


@pytest.mark.parametrize(
    ("index", "status", "message"),
    [
        (len(ORDERS), Status.SETUP_ERROR, "its own cause"),
        (len(ORDERS) + 1, Status.INFRA_ERROR, "no GPU"),
        (len(ORDERS) + 2, Status.INFRA_ERROR, "ended with signal 9"),
    ],
)
def test_a_process_that_hangs_while_loading_is_ended(
    session: Session, index: int, status: Status, message: str
) -> None:
    outcome, _ = session.unlearn(index, 0, original_state(), 60.0)

    assert outcome.status is status
    assert message in (outcome.evidence.error_message or "")
