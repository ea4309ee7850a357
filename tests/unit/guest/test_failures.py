"""Every way in which a plugin can fail is a status of its model, and the next model works."""

from __future__ import annotations

import signal

import pytest

from harness.core.outcomes import Status
from tests.unit.guest.lab import Lab

DEFINE = "@hookimpl\ndef unlearn(model):\n"


@pytest.mark.parametrize(
    ("body", "status", "message"),
    [
        ("raise RuntimeError('no luck \\x1b[31m')", Status.PLUGIN_ERROR, "no luck \\x1b[31m"),
        ("sys.exit('enough')", Status.PLUGIN_ERROR, "sys.exit(enough)"),
        ("raise KeyboardInterrupt", Status.PLUGIN_ERROR, ""),
        ("return model.state_dict()", Status.OUTPUT_INVALID, "unlearn() returned a OrderedDict"),
        ("model[1].bias.data[3] = float('nan')", Status.OUTPUT_INVALID, "'1.bias' has 1 NaN or infinite"),
        ("model[1].bias.data[3] = float('-inf')", Status.OUTPUT_INVALID, "'1.bias' has 1 NaN or infinite"),
        ("return torch.nn.Sequential(model)", Status.OUTPUT_INVALID, "lacks 1.bias, 1.weight"),
        ("model[3] = torch.nn.Linear(8, 4)", Status.OUTPUT_INVALID, "'3.weight' has shape (4, 8), not (3, 8)"),
        ("return torch.compile(model, backend='eager')", Status.OUTPUT_INVALID, "return model._orig_mod"),
        ("return torch.nn.DataParallel(model)", Status.OUTPUT_INVALID, "return model.module"),
        (
            "import torch.nn.utils.prune as p\n    p.l1_unstructured(model[1], 'weight', 0.2)",
            Status.OUTPUT_INVALID,
            "lacks 1.weight and has unexpected 1.weight_mask, 1.weight_orig; pruning is not permanent",
        ),
        (
            "torch.nn.utils.parametrizations.orthogonal(model[1])",
            Status.OUTPUT_INVALID,
            "remove_parametrizations(layer, name)",
        ),
        (
            "model[1] = torch.compile(model[1], backend='eager')",
            Status.OUTPUT_INVALID,
            "has unexpected 1._orig_mod.bias, 1._orig_mod.weight; torch.compile wraps",
        ),
        ("return torch.nn.ModuleDict({'net': model})", Status.OUTPUT_INVALID, "begins with 'net.': return the module"),
        (
            "big = torch.nn.Linear(8, 3)\n    big.big = torch.nn.Linear(999, 999)\n    model[3] = big",
            Status.OUTPUT_TOO_LARGE,
            "has unexpected 3.big.bias, 3.big.weight",
        ),
        ("return model.half()", Status.OUTPUT_INVALID, "has dtype F16, not F32"),
        ("model.register_buffer('x', torch.zeros(2))", Status.OUTPUT_INVALID, "has unexpected x"),
        ("model.register_buffer('x', torch.zeros(1 << 20))", Status.OUTPUT_TOO_LARGE, "the original's allows"),
        ("model.state_dict = lambda: {'a': 1}", Status.OUTPUT_INVALID, "'a' in the model's state is a int"),
        ("model.state_dict = lambda: 1 / 0", Status.OUTPUT_INVALID, "ZeroDivisionError"),
        ("raise MemoryError", Status.PLUGIN_ERROR, ""),
        ("torch.empty(1 << 60)", Status.PLUGIN_ERROR, "can't allocate memory"),
        ("raise TimeoutError('mine')", Status.PLUGIN_ERROR, "mine"),
        ("raise torch.cuda.OutOfMemoryError('CUDA out of memory')", Status.PLUGIN_ERROR, "CUDA out of memory"),
        ("raise OSError(28, 'No space left on device')", Status.DISK_FULL, "No space left"),
        ('raise RuntimeError("can\'t start new thread")', Status.PIDS_LIMIT, "new thread"),
    ],
)
def test_a_failing_hook_is_named_with_its_cause(lab: Lab, body: str, status: Status, message: str) -> None:
    outcome, state = lab.unlearn(DEFINE + "    " + body)

    assert outcome.status is status
    assert state is None
    assert outcome.advice
    assert message in (outcome.evidence.error_message or "")


def test_a_traceback_ends_with_the_plugin_s_line(lab: Lab) -> None:
    outcome, _ = lab.body("raise ValueError('here')")

    assert outcome.evidence.error_type == "ValueError"
    assert "raise ValueError('here')" in (outcome.evidence.traceback or "")


def test_a_message_without_end_leaves_the_frames_and_its_own_two_ends(lab: Lab) -> None:
    outcome, _ = lab.body("""
def inner():
    raise RuntimeError("cause " + "E" * 50_000_000 + " the end")
inner()
""")
    message, trace = outcome.evidence.error_message or "", outcome.evidence.traceback or ""

    assert message.startswith("cause EEE")
    assert message.endswith("EEE the end")
    assert "49,998,014 characters left out" in message
    assert ", in unlearn" in trace
    assert ", in inner" in trace
    assert "RuntimeError: cause EEE" in trace


def test_a_chain_of_long_messages_leaves_every_exception_its_frames(lab: Lab) -> None:
    outcome, _ = lab.body("""
def first():
    raise KeyError("k" * 100_000)
try:
    first()
except KeyError as error:
    raise ValueError("\\x1b" * 100_000) from error
""")
    trace = outcome.evidence.traceback or ""

    assert ", in first" in trace
    assert "KeyError: 'kkk" in trace
    assert "The above exception was the direct cause" in trace
    assert "ValueError: " in trace
    assert "\x1b" not in trace


def test_frames_without_end_leave_the_first_and_the_last(lab: Lab) -> None:
    outcome, _ = lab.body("""
def even(n):
    return odd(n - 1) if n else 1 / 0
def odd(n):
    return even(n - 1)
even(300)
""")
    trace = outcome.evidence.traceback or ""

    assert ", in unlearn" in trace
    assert trace.rstrip().endswith("ZeroDivisionError: division by zero")
    assert "characters left out" in trace


def test_the_helper_that_python_starts_for_itself_is_nothing_that_the_plugin_left(lab: Lab) -> None:
    outcome, _ = lab.body(
        """
import multiprocessing.resource_tracker, subprocess
multiprocessing.resource_tracker.ensure_running()
if context.seed == 4:
    subprocess.Popen(["sleep", "600"])
""",
        seed=4,
    )
    notes = " ".join(outcome.evidence.notes)

    assert "1 leftover process(es) of the plugin were killed" in notes


def test_an_exception_that_cannot_be_printed_is_still_reported(lab: Lab) -> None:
    outcome, _ = lab.body("class Evil(Exception):\n    def __str__(self):\n        raise RuntimeError\nraise Evil")

    assert outcome.status is Status.PLUGIN_ERROR
    assert outcome.evidence.error_type == "Evil"


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_leaves_without_a_result_has_missing_output(lab: Lab, code: int) -> None:
    outcome, _ = lab.body(f"os._exit({code})")

    assert outcome.status is Status.OUTPUT_MISSING
    assert outcome.evidence.exit_code == code


def test_a_crash_in_native_code_is_a_signal_with_the_python_stack_in_the_log(lab: Lab) -> None:
    outcome, _ = lab.body("import ctypes\nctypes.string_at(0)")

    assert outcome.status is Status.KILLED_SIGNAL
    assert outcome.evidence.signal == signal.SIGSEGV
    assert "SIGSEGV" in outcome.advice
    assert "probe.py" in outcome.log.head


def test_a_process_that_kills_itself_is_not_called_out_of_memory(lab: Lab) -> None:
    outcome, _ = lab.body("os.kill(os.getpid(), signal.SIGKILL)")

    assert outcome.status is Status.KILLED_SIGNAL
    assert not outcome.evidence.oom_killed


def test_half_a_result_is_no_result(lab: Lab) -> None:
    """The process dies in the middle of sending: the conversation stays sound and the next model works."""
    outcome, state = lab.body(
        "from harness_guest import child\n"
        "def half(fd, data):\n    os.write(fd, bytes(data)[:100])\n    os._exit(0)\n"
        "child._write_all = half"
    )
    following, _ = lab.body("pass")

    assert outcome.status is Status.OUTPUT_MISSING
    assert state is None
    assert following.status is Status.OK


@pytest.mark.parametrize("payload", ["pickle.dumps({'1.bias': 1})", "b'PK' + bytes(3000)", "b''"])
def test_bytes_that_are_no_safetensors_are_refused(lab: Lab, payload: str) -> None:
    outcome, state = lab.body(f"import pickle\nfrom harness_guest import child\nchild.serialise = lambda *_: {payload}")

    assert outcome.status is Status.OUTPUT_INVALID
    assert "not a safetensors document" in (outcome.evidence.error_message or "")
    assert state is None


def test_a_process_that_sends_without_end_is_cut_off(lab: Lab) -> None:
    outcome, _ = lab.body(
        "from harness_guest import child\n"
        "def endless(fd, data):\n    while True:\n        os.write(fd, bytes(1 << 16))\n"
        "child._write_all = endless"
    )

    assert outcome.status is Status.OUTPUT_TOO_LARGE


def test_a_module_that_fails_on_import_is_a_setup_error(lab: Lab) -> None:
    outcome, _ = lab.unlearn("import no_such_module_anywhere")

    assert outcome.status is Status.SETUP_ERROR
    assert "no_such_module_anywhere" in (outcome.evidence.error_message or "")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("x = 1", "has no implementation of the hook 'unlearn'"),
        ("@hookimpl\ndef unlearn(model, tests): ...", "tests"),
        ("@hookimpl\ndef forget_it(model): ...", "forget_it"),
    ],
)
def test_a_module_that_does_not_keep_to_the_hook_is_a_setup_error(lab: Lab, source: str, message: str) -> None:
    outcome, _ = lab.unlearn(source)

    assert outcome.status is Status.SETUP_ERROR
    assert message in (outcome.evidence.error_message or "")


def test_after_any_failure_the_same_guest_serves_the_next_model(lab: Lab) -> None:
    lab.body("pass")
    n_guests = len(lab.handles)
    lab.body("raise RuntimeError")
    lab.body("os._exit(1)")
    outcome, _ = lab.body("pass")

    assert outcome.status is Status.OK
    assert len(lab.handles) == n_guests


def test_a_guest_that_died_while_idle_costs_nothing(lab: Lab) -> None:
    lab.body("pass")
    handle = lab.handles[-1]
    handle.kill()
    outcome, _ = lab.body("pass")

    assert (outcome.status, outcome.attempts) == (Status.OK, 2)


def test_the_plugin_s_process_does_not_hold_the_conversation(lab: Lab) -> None:
    """Neither the guest's descriptors nor its memory are within reach of the plugin, though the user is the same."""
    outcome, _ = lab.body(
        "guest = os.getppid()\n"
        "open_ones = [os.readlink(f'/proc/self/fd/{fd}') for fd in os.listdir('/proc/self/fd') if int(fd) >= 100]\n"
        "print([name for name in open_ones if 'pipe' in name])\n"
        "print(os.getuid() == 0 or not os.access(f'/proc/{guest}/mem', os.R_OK))"
    )

    assert outcome.log.head == "[]\nTrue\n"


def test_the_guest_imports_no_plugin(lab: Lab) -> None:
    """What the plugin's module printed on import comes once for each model: it was not there before."""
    for _ in range(2):
        outcome, _ = lab.unlearn("print('imported')\n@hookimpl\ndef unlearn(): ...")
        assert outcome.log.head == "imported\n"


def test_the_plugin_s_folder_cannot_shadow_torch_or_the_guest(lab: Lab) -> None:
    for name in ("torch", "harness_guest", "json", "pluggy"):
        (lab.plugin_path / f"{name}.py").write_text("raise RuntimeError('shadowed')\n")
    try:
        outcome, _ = lab.body("import json, harness_guest.data\nprint(torch.nn.__name__)")
    finally:
        for name in ("torch", "harness_guest", "json", "pluggy"):
            (lab.plugin_path / f"{name}.py").unlink()

    assert outcome.status is Status.OK
    assert outcome.log.head == "torch.nn\n"
