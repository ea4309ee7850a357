"""The host's side of the conversation, against guests that do not keep to it."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core.outcomes import Status
from harness.errors import SandboxError
from harness.runners.process_handle import ProcessHandle
from harness.runners.session.session import Session
from harness.runners.session.weights import Manifest
from harness_guest.protocol import Hello
from tests.unit.guest.lab import Lab

DATA = Path(__file__)  # scripted guests do not look into it
STATE = {"w": np.ones(3, dtype=np.float32)}
READY = {"torch": "2.0", "python": "3.11", "device": "cpu", "threads": 1, "pid1": False}

PRELUDE = """
import os, struct, sys, time
import numpy as np, safetensors.numpy
from harness_guest.protocol import *

def get():
    raw = sys.stdin.buffer.read(HEADER.size)
    if not raw:
        sys.exit(0)
    kind, length = decode_header(raw)
    return kind, sys.stdin.buffer.read(length)

def put(kind, value=b""):
    frame = encode_json(kind, value) if isinstance(value, dict) else encode(kind, value)
    sys.stdout.buffer.write(frame)
    sys.stdout.buffer.flush()

def log(index, text, dropped=0):
    put(Kind.LOG, LOG_HEADER.pack(index, dropped) + text)

def weights(**arrays):
    put(Kind.WEIGHTS, safetensors.numpy.save(arrays or {"w": np.zeros(3, np.float32)}))

ENDED = {"index": 0, "exit_code": 0, "signal": None}
"""

TO_READY = f"get(); put(Kind.READY, {READY!r}); get()\n"
TO_IMPORT = TO_READY + "get(); get(); put(Kind.IMPORTING, {'index': 0})\n"
TO_IMPORTED = TO_IMPORT + "put(Kind.IMPORTED, {'index': 0})\n"
TO_START = TO_IMPORTED + "get()\n"
TO_RESULT = TO_START + "put(Kind.RESULT, {'index': 0, 'peak_gpu_mib': None})\n"
GOOD = TO_RESULT + "weights(); put(Kind.ENDED, ENDED)\n"

Open = Callable[..., Session]


@pytest.fixture
def open_session(tmp_path: Path) -> Iterator[Open]:
    """``open_session(script, ...)``: a session whose guests are the Python scripts given, the last one again and again."""
    sessions: list[Session] = []

    def _open(*scripts: str, handle: type[ProcessHandle] = ProcessHandle, **options: Any) -> Session:
        remaining = list(scripts)

        def start() -> ProcessHandle:
            folder = tmp_path / f"guest-{len(remaining)}"
            folder.mkdir(exist_ok=True)
            source = remaining.pop(0) if len(remaining) > 1 else remaining[0]
            return handle(folder, {}, ("-c", PRELUDE + textwrap.dedent(source)))

        hello = Hello("p", None, {}, {}, log_head_bytes=100, log_tail_bytes=0)
        sessions.append(Session(start, hello, data=DATA, manifest=Manifest.of(STATE), **options))
        return sessions[-1]

    yield _open
    for session in sessions:
        session.close()


def test_a_good_conversation_gives_weights_times_and_what_the_guest_is(open_session: Open) -> None:
    session = open_session(GOOD)
    outcome, state = session.unlearn(0, 5, STATE, 60.0)

    assert (outcome.status, outcome.seed, outcome.evidence.last_frame) == (Status.OK, 5, "ENDED")
    assert state is not None
    assert state["w"].tolist() == [0.0] * 3
    assert session.ready is not None
    assert (session.ready.torch, session.ready.threads) == ("2.0", 1)


@pytest.mark.parametrize(
    ("script", "message"),
    [
        (TO_IMPORTED + "os.write(1, b'garbage in place of a frame')", "magic bytes"),
        (TO_IMPORTED + "os.write(1, HEADER.pack(MAGIC, 99, 0))", "unknown frame kind 99"),
        (TO_IMPORTED + "os.write(1, HEADER.pack(MAGIC, Kind.ENDED, 1 << 40))", "at most 1048576"),
        (TO_RESULT + "os.write(1, HEADER.pack(MAGIC, Kind.WEIGHTS, 1 << 40))", "bytes of weights"),
        (TO_START + "weights()", "WEIGHTS came after IMPORTED"),
        (TO_RESULT + "put(Kind.ENDED, ENDED)", "ENDED came after RESULT"),
        (TO_RESULT + "log(0, b'x')", "LOG came after RESULT"),
        (TO_RESULT + "weights(); weights()", "WEIGHTS came after WEIGHTS"),
        (TO_START + "put(Kind.READY, {})", "READY came after IMPORTED"),
        (TO_READY + "get(); get(); weights()", "WEIGHTS came at the beginning"),
        (TO_READY + "get(); get(); put(Kind.IMPORTING, {'index': 1})", "another model"),
        (TO_START + "put(Kind.ENDED, {**ENDED, 'index': 1})", "another model"),
        (TO_START + "put(Kind.ENDED, {**ENDED, 'more': 1})", "fields"),
        (TO_START + "put(Kind.ENDED, {'index': 0})", "fields"),
        (TO_START + "put(Kind.ENDED, {**ENDED, 'exit_code': 'x'})", "exit_code of type str"),
        (TO_START + "put(Kind.ENDED, {**ENDED, 'deadline': 1})", "deadline of type int"),
        (TO_START + "put(Kind.ENDED, b'[' * 100000)", "not JSON"),
        (TO_START + "put(Kind.ENDED, b'{\"index\": NaN}')", "NaN"),
        (TO_START + "log(0, b'x' * 101)", "more output than is kept"),
        (TO_START + "log(1, b'x')", "another model"),
        (TO_START + "log(0, b'')", "without output"),
        (TO_START + "os.write(1, HEADER.pack(MAGIC, Kind.JOURNAL, 1 << 40))", "JOURNAL"),
        (TO_READY + "get(); get(); os.write(1, HEADER.pack(MAGIC, Kind.JOURNAL, 1 << 40))", "JOURNAL"),
    ],
)
def test_a_broken_protocol_is_a_policy_violation(open_session: Open, script: str, message: str) -> None:
    outcome, state = open_session(script + "\ntime.sleep(600)").unlearn(0, 0, STATE, 60.0)

    assert outcome.status is Status.POLICY_VIOLATION
    assert message in (outcome.evidence.error_message or "")
    assert state is None


def test_a_size_that_no_float_can_hold_is_no_size(open_session: Open) -> None:
    result = "put(Kind.RESULT, {'index': 0, 'peak_gpu_mib': 10**400}); weights()\n"
    ended = "put(Kind.ENDED, {**ENDED, 'peak_rss_mib': 10**400})\n"
    outcome, _ = open_session(TO_START + result + ended).unlearn(0, 0, STATE, 60.0)

    assert (outcome.status, outcome.peak_gpu_mib, outcome.peak_rss_mib) == (Status.OK, None, None)


def test_the_next_model_gets_a_new_guest_after_a_violation(open_session: Open) -> None:
    session = open_session(TO_START + "weights()\ntime.sleep(600)", GOOD)

    assert session.unlearn(0, 0, STATE, 60.0)[0].status is Status.POLICY_VIOLATION
    assert session.unlearn(0, 0, STATE, 60.0)[0].status is Status.OK


@pytest.mark.parametrize(
    "script",
    [
        TO_IMPORTED + "time.sleep(600)",
        TO_START + "time.sleep(600)",
        TO_RESULT + "os.write(1, HEADER.pack(MAGIC, Kind.WEIGHTS, 200) + bytes(100))\ntime.sleep(600)",
        TO_START + "while True:\n    os.write(1, b'UH'[:0])",
    ],
    ids=["never starts", "never ends", "stops half-way through the weights", "spins"],
)
def test_a_guest_that_does_not_answer_is_killed_at_the_limit(open_session: Open, script: str) -> None:
    outcome, _ = open_session(script).unlearn(0, 0, STATE, 0.1)

    assert outcome.status is Status.TIMEOUT
    assert outcome.charged_s is not None
    assert outcome.charged_s > 0.1


def test_a_whole_result_after_the_limit_gets_no_credit(open_session: Open) -> None:
    """Within the grace the result is read, and refused. Here time passes only while bytes arrive."""
    now_s = [0.0]

    class Slow(ProcessHandle):
        def read(self, max_bytes: int) -> bytes | None:
            chunk = super().read(max_bytes)
            now_s[0] += 0.03 if chunk else 0.0
            return chunk

    outcome, state = open_session(GOOD, handle=Slow, clock=lambda: now_s[0]).unlearn(0, 0, STATE, 0.1)

    assert outcome.status is Status.TIMEOUT
    assert outcome.charged_s == pytest.approx(0.12)
    assert outcome.evidence.bytes_received is not None
    assert state is None


def test_what_befalls_the_guest_after_the_weights_is_only_a_note(open_session: Open) -> None:
    session = open_session(TO_RESULT + "weights(); os._exit(3)", GOOD)
    outcome, state = session.unlearn(0, 0, STATE, 60.0)

    assert outcome.status is Status.OK
    assert state is not None
    assert "did not clean up" in outcome.evidence.notes[0]
    assert session.unlearn(0, 0, STATE, 60.0)[0].status is Status.OK


def test_a_guest_that_exits_under_a_model_is_the_sandbox_s_failure(open_session: Open) -> None:
    outcome, _ = open_session(TO_START + "sys.stderr.write('bang\\x1b'); sys.exit(7)").unlearn(0, 0, STATE, 60.0)

    assert outcome.status is Status.INFRA_ERROR
    assert outcome.evidence.notes == ("the guest's error stream ends: bang\\x1b",)


def test_a_guest_that_is_not_clean_is_replaced(open_session: Open) -> None:
    once = GOOD.replace(
        "put(Kind.ENDED, ENDED)", "put(Kind.ENDED, {**ENDED, 'unclean': 'scratch space could not be wiped'})"
    )
    session = open_session(once, GOOD)

    assert session.unlearn(0, 0, STATE, 60.0)[0].status is Status.OK
    assert session.unlearn(0, 0, STATE, 60.0)[0].status is Status.OK


INIT = GOOD.replace("'pid1': False", "'pid1': True")
SHOT = INIT.partition("put(Kind.RESULT")[0] + "os.kill(os.getpid(), 9)"


def test_a_container_that_was_killed_from_outside_costs_the_model_nothing(open_session: Open) -> None:
    """What is inside cannot kill a container's first process, so that the model is tried again."""
    outcome, state = open_session(SHOT, INIT).unlearn(0, 0, STATE, 60.0)

    assert (outcome.status, outcome.attempts) == (Status.OK, 2)
    assert state is not None
    assert "exit status -9" in outcome.earlier_attempts[0]


def test_a_container_that_dies_twice_under_a_model_is_no_accident(open_session: Open) -> None:
    outcome, _ = open_session(SHOT).unlearn(0, 0, STATE, 60.0)

    assert (outcome.status, outcome.attempts) == (Status.KILLED_SIGNAL, 2)


def test_a_plain_guest_that_was_killed_may_have_been_killed_by_the_plugin(open_session: Open) -> None:
    outcome, _ = open_session(TO_START + "os.kill(os.getpid(), 9)").unlearn(0, 0, STATE, 60.0)

    assert (outcome.status, outcome.attempts) == (Status.KILLED_SIGNAL, 1)


def test_the_evidence_says_when_nothing_of_the_model_lived_any_more(open_session: Open) -> None:
    outcome, _ = open_session(TO_START + "time.sleep(600)").unlearn(0, 0, STATE, 0.1)

    assert outcome.evidence.dead_s is not None
    assert outcome.charged_s is not None
    assert outcome.evidence.dead_s >= outcome.charged_s


def test_text_from_the_guest_is_harmless_and_bounded(open_session: Open) -> None:
    script = TO_START + (
        "log(0, b'a\\x1b'); log(0, b'b', 7)\n"
        "put(Kind.ENDED, {**ENDED, 'error_type': 'E\\x1b', 'error_message': 'm' * 9000, 'traceback': 't' * 90000 + 'end',"
        " 'problem': 'plugin_error', 'peak_rss_mib': -1})"
    )
    outcome, _ = open_session(script).unlearn(0, 0, STATE, 60.0)

    evidence = outcome.evidence
    assert (outcome.status, outcome.peak_rss_mib) == (Status.PLUGIN_ERROR, None)
    assert (outcome.log.head, outcome.log.tail, outcome.log.dropped_bytes) == ("a\\x1b", "b", 7)
    assert evidence.error_type == "E\\x1b"
    assert len(evidence.error_message or "") == 2000
    assert len(evidence.traceback or "") == 8000
    assert (evidence.traceback or "").endswith("end")


def test_a_gpu_that_was_lost_is_the_sandbox_s_failure(open_session: Open) -> None:
    script = (
        TO_READY + "get(); get()\nput(Kind.ENDED, {**ENDED, 'exit_code': 1, 'error_message': 'no GPU', "
        "'error_type': 'GpuLostError', 'problem': 'infra_error'})"
    )
    outcome, _ = open_session(script).unlearn(0, 0, STATE, 60.0)

    assert (outcome.status, outcome.charged_s, outcome.attempts) == (Status.INFRA_ERROR, None, 1)
    assert outcome.evidence.error_message == "no GPU"


def test_a_model_that_is_never_ready_is_the_sandbox_s_failure(open_session: Open) -> None:
    outcome, _ = open_session(TO_READY + "time.sleep(600)", setup_timeout_s=3.0).unlearn(0, 0, STATE, None)

    assert outcome.status is Status.INFRA_ERROR
    assert "not ready after" in (outcome.evidence.error_message or "")


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("os.write(2, b'no torch here'); sys.exit(9)", "exit status 9"),
        ("os.write(2, b'no torch here'); get(); put(Kind.REFUSED, {'message': 'other version'})", "other version"),
        ("os.write(2, b'no torch here'); put(Kind.READY, {})", "READY lacks 'torch'"),
        ("os.write(2, b'no torch here'); put(Kind.IMPORTING, {})", "IMPORTING came where READY was due"),
        (
            f"os.write(2, b'no torch here'); put(Kind.READY, json.dumps({READY!r}).replace(': 1,', ': 1e400,').encode())",
            "threads",
        ),
        (
            "os.write(2, b'no torch here'); print('Hello there, this is torch', flush=True); time.sleep(600)",
            "magic bytes",
        ),
    ],
)
def test_a_guest_that_does_not_become_ready_is_an_error_with_its_last_words(
    open_session: Open, script: str, message: str
) -> None:
    with pytest.raises(SandboxError, match=message) as caught:
        open_session(script).unlearn(0, 0, STATE, 60.0)

    assert "no torch here" in str(caught.value)
    assert "harness doctor" in str(caught.value)


def test_a_guest_that_is_never_ready_is_an_error(open_session: Open) -> None:
    with pytest.raises(SandboxError, match="not ready after"):
        open_session("time.sleep(600)", setup_timeout_s=0.2).unlearn(0, 0, STATE, 60.0)


def test_isolation_by_model_starts_a_guest_for_each(tmp_path: Path) -> None:
    lab = Lab(tmp_path, isolation="model")
    with lab.session:
        outcomes = [lab.body("print(os.getppid())", index=index)[0] for index in range(2)]

    assert [outcome.status for outcome in outcomes] == [Status.OK, Status.OK]
    assert len(lab.handles) == 2
    assert outcomes[0].log.head != outcomes[1].log.head


def test_a_refusal_of_the_real_guest_is_passed_on(tmp_path: Path) -> None:
    lab = Lab(tmp_path, model={})
    with lab.session, pytest.raises(SandboxError, match="the model or the recipe cannot be read"):
        lab.body("pass")
