"""Why a worker that trains reference models has died is told: memory, a crash in native code, a kill, or its own error."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from harness.core.interpreter import module_command
from harness.core.pressure import oom_kills
from harness.errors import CacheError
from harness.references import worker_pool as training
from harness.references.worker_pool import TrainingJob, Worker

JOB = TrainingJob(data_file="nowhere", model={}, recipe={}, sizes={}, n_train=0, seeds=[], device="cpu")


def _failure(monkeypatch: pytest.MonkeyPatch, folder: Path, program: str) -> str:
    """Return the message on a worker that runs another program."""
    real = subprocess.Popen
    with monkeypatch.context() as other:
        other.setattr(
            training.subprocess, "Popen", lambda _command, **options: real([sys.executable, "-c", program], **options)
        )
        worker = Worker()
    try:
        with pytest.raises(CacheError) as told:
            worker.work(folder, JOB, lambda *_: None)
    finally:
        worker.stop()
        worker.close()
    return str(told.value)


@pytest.mark.parametrize(
    ("number", "named"),
    [
        (signal.SIGSEGV, r"crashed (SIGSEGV) in native code. `harness doctor`"),
        (signal.SIGILL, r"crashed (SIGILL) in native code"),
        (signal.SIGABRT, r"crashed (SIGABRT) in native code"),
        (signal.SIGKILL, "a worker was killed (SIGKILL)"),
    ],
)
def test_a_signal_is_named_and_not_taken_for_a_lack_of_memory(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: signal.Signals, named: str
) -> None:
    said = _failure(monkeypatch, tmp_path, f"import os; os.kill(os.getpid(), {int(number)})")

    assert named in said
    assert "out of memory" not in said


def test_a_kill_by_the_kernel_for_lack_of_memory_is_told_as_such(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    counts = iter([4, 5])
    monkeypatch.setattr(
        training, "oom_kills", lambda: next(counts)
    )  # the real thing would need a machine without memory
    said = _failure(monkeypatch, tmp_path, "import os; os.kill(os.getpid(), 9)")

    assert "out of memory; the kernel killed a worker" in said


def test_a_memory_error_is_a_lack_of_memory_and_another_error_is_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert "out of memory" in _failure(monkeypatch, tmp_path, "raise MemoryError")
    other = _failure(monkeypatch, tmp_path, "raise LookupError('mine')")
    assert "exited with status 1" in other
    assert "LookupError: mine" in other
    assert "memory" not in other


@pytest.mark.parametrize(("text", "wanted"), [("nr_free 1\noom_kill 7\n", 7), ("", 0), ("oom_kill x\n", 0)])
def test_the_kernel_counts_what_it_killed(tmp_path: Path, text: str, wanted: int) -> None:
    (tmp_path / "vmstat").write_text(text)

    assert oom_kills(tmp_path / "vmstat") == wanted
    assert oom_kills(tmp_path / "none") == 0


def test_a_file_in_the_working_directory_is_not_imported_in_place_of_a_library(tmp_path: Path) -> None:
    (tmp_path / "numpy.py").write_text("raise SystemExit('shadowed')")
    command = module_command("harness.references.worker")
    ended = subprocess.run(command, cwd=tmp_path, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)

    assert (ended.returncode, ended.stderr) == (0, "")


def test_a_worker_that_died_before_it_was_asked_is_told_and_can_be_closed(tmp_path: Path) -> None:
    """The order then stays in the pipe's buffer, and closing it fails once more."""
    worker = Worker()
    worker.stop()

    with pytest.raises(CacheError, match="was killed"):
        worker.work(tmp_path, JOB, lambda *_: None)
    worker.close()
