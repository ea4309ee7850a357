"""The runner without isolation."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import pytest

from harness.runners.base import GuestSetup, Limits
from harness.runners.orphans import reap_guest_folders
from harness.runners.process import FOLDER, ProcessRunner
from harness.runners.process_handle import ProcessHandle

pytestmark = pytest.mark.usefixtures("real_processes")


def spawn(folder: Path, source: str) -> ProcessHandle:
    folder.mkdir(exist_ok=True)
    return ProcessHandle(folder, {"ONLY": "this"}, ("-c", source))


def read_all(handle: ProcessHandle) -> bytes:
    os.set_blocking(handle.read_fd, True)
    received = b""
    while chunk := handle.read(1 << 16):
        received += chunk
    return received


def test_bytes_go_both_ways_and_nothing_is_waited_for(tmp_path: Path) -> None:
    handle = spawn(tmp_path / "g", "import sys; sys.stdout.write(sys.stdin.read(2) * 2)")
    assert handle.read(10) is None
    assert handle.write(memoryview(b"ab")) == 2

    assert read_all(handle) == b"abab"
    handle.close()


def test_a_full_pipe_takes_no_more(tmp_path: Path) -> None:
    handle = spawn(tmp_path / "g", "import time; time.sleep(600)")
    taken = -1
    while taken:
        taken = handle.write(memoryview(bytes(1 << 16)))
    handle.close()

    assert taken == 0


def test_the_environment_holds_named_variables_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET_TOKEN", "x")
    environment = ProcessRunner(None, 3, Limits())._environment(tmp_path)

    assert "SECRET_TOKEN" not in environment
    assert environment["OMP_NUM_THREADS"] == "3"
    assert environment["HOME"] == str(tmp_path / "tmp" / "home")
    assert environment["CUDA_VISIBLE_DEVICES"] == ""


def test_the_end_is_told_with_the_last_words(tmp_path: Path) -> None:
    handle = spawn(tmp_path / "g", "import sys; sys.stderr.write('x' * 9000 + '\\x1bend'); sys.exit(4)")
    assert read_all(handle) == b""
    handle._process.wait()
    exit_ = handle.close()

    assert exit_.exit_code == 4
    assert len(exit_.stderr) <= 8192 + 3
    assert exit_.stderr.endswith("x\\x1bend")
    assert handle.close() == exit_


def test_killing_twice_and_after_the_end_is_harmless(tmp_path: Path) -> None:
    handle = spawn(tmp_path / "g", "import time; time.sleep(600)")
    handle.kill()
    handle.kill()
    assert handle.close().exit_code == -9
    handle.kill()


def test_killing_takes_all_descendants(tmp_path: Path) -> None:
    source = (
        "import os, time\nr, w = os.pipe()\n"
        "if os.fork() == 0:\n    os.setsid()\n    os.fork()\n    print(os.getpid(), flush=True)\n    time.sleep(600)\n"
        "time.sleep(600)"
    )
    handle = spawn(tmp_path / "g", source)
    os.set_blocking(handle.read_fd, True)
    received = b""
    while received.count(b"\n") < 2:
        received += handle.read(100) or b""
    handle.close()

    for pid in map(int, received.split()):
        stat = Path(f"/proc/{pid}/stat")
        assert not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z"


def test_the_temporary_folder_goes_with_the_guest() -> None:
    handle = ProcessRunner(None, 1, Limits()).start(GuestSetup("run"))
    assert isinstance(handle, ProcessHandle)
    folder = handle._folder
    assert folder.exists()
    handle.close()

    assert not folder.exists()


def test_the_report_is_told_that_nothing_is_isolated() -> None:
    facts = ProcessRunner(Path("p"), 1, Limits(log_bytes=5)).facts

    assert facts.isolation.startswith("none")
    assert facts.effective is not None
    assert facts.effective["log_bytes"] == 5
    assert facts.effective["memory_mib"] is None


def test_folders_of_killed_runs_are_removed_and_those_in_use_are_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    orphan = tmp_path / f"{FOLDER}orphan"
    orphan.mkdir()
    handle = ProcessRunner(None, 1, Limits()).start(GuestSetup("tests"))
    used = set(tmp_path.glob(f"{FOLDER}*")) - {orphan}

    reap_guest_folders()

    assert len(used) == 1
    assert set(tmp_path.glob(f"{FOLDER}*")) == used
    handle.close()
    assert set(tmp_path.glob(f"{FOLDER}*")) == set()


def test_what_only_pythonpath_finds_is_found_by_the_guest_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(["lib", "", "/elsewhere"]))

    found = ProcessRunner(None, 1, Limits())._environment(tmp_path)["PYTHONPATH"]
    assert found == os.pathsep.join([str(tmp_path / "lib"), "/elsewhere"])
