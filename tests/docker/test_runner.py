"""Containers come up, are told apart, and go away whatever happens."""

from __future__ import annotations

import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from harness.core.outcomes import Status
from harness.errors import GpuUnavailableError, SandboxError
from harness.runners.base import GuestSetup, Limits
from harness.runners.bundles import materialise, resolve
from harness.runners.docker import DockerRunner
from harness.runners.engine import handle as docker_handle
from harness.runners.engine.client import Engine
from harness.runners.engine.handle import DockerHandle
from harness.runners.engine.oneshot import run_once
from harness.runners.engine.reaper import DEADLINE, HOST_BOOT, owner_labels, reap
from harness.runners.engine.types import ContainerSpec, ContainerState
from harness.runners.process import ProcessRunner
from harness_guest.protocol import Hello
from reference_models.networks.recipe import Recipe, to_json
from tests.docker.conftest import RUN_ID, SMALL, SPEC, Bench

pytestmark = pytest.mark.docker

NOTHING = "@hookimpl\ndef unlearn(model):\n    pass\n"
Plugin = Callable[..., str]


def test_a_model_goes_in_and_comes_back(bench: Bench, plugin: Plugin) -> None:
    outcome, original, unlearned = bench.unlearn(plugin(NOTHING))
    assert outcome.status is Status.OK
    assert all(np.array_equal(unlearned[name], original[name]) for name in original)


WORLD = """
@hookimpl
def unlearn(model):
    import json, os, pathlib, sys, tempfile, time
    tmp = os.environ["TMPDIR"]
    own = ("PATH", "LD_LIBRARY_PATH", "PYTHONPATH", "HOSTNAME", "NVIDIA_VISIBLE_DEVICES", "CUDA_VISIBLE_DEVICES")
    own += ("HARNESS_GUEST_FOLDER",)
    pathlib.Path("~/x").expanduser().write_text("x")
    print(json.dumps({
        "variables": {k: v.replace(tmp, "TMP") for k, v in os.environ.items() if k not in own},
        "folders": sorted(str(path.relative_to(tmp)) for path in pathlib.Path(tmp).rglob("*")),
        "tempfile": tempfile.gettempdir().replace(tmp, "TMP"),
        "encodings": [sys.getfilesystemencoding(), sys.stdout.encoding, sys.getdefaultencoding()],
        "zone": time.tzname, "optimise": sys.flags.optimize, "byte code": sys.dont_write_bytecode,
    }, sort_keys=True))
"""


@pytest.mark.usefixtures("real_processes")  # what a forked guest inherits from the tests is no part of its world
def test_both_runners_put_a_plugin_into_one_world(bench: Bench, plugin: Plugin, tmp_path: Path) -> None:
    """Variables, home, temporary and cache folders, locale and time zone are the same."""
    spec = plugin(WORLD)
    docker, original, _ = bench.unlearn(spec)
    runner = ProcessRunner(materialise(resolve(spec), tmp_path / "site"), 1, SMALL)
    hello = Hello("probe", "probe-plugin", to_json(SPEC), to_json(Recipe()),
                  plugin_path=runner.paths.plugin_path, scratch=list(runner.paths.scratch))  # fmt: skip
    with bench.session(runner, hello, original) as session:
        process, _ = session.unlearn(0, 1, original, 60.0)

    assert (docker.status, process.status) == (Status.OK, Status.OK), process
    assert json.loads(docker.log.head) == json.loads(process.log.head)


def test_an_import_longer_than_the_limit_is_not_charged(bench: Bench, plugin: Plugin) -> None:
    outcome, _, _ = bench.unlearn(plugin("import time\ntime.sleep(2.5)\n" + NOTHING), limit_s=2.0)

    assert outcome.status is Status.OK, outcome
    assert outcome.import_s is not None
    assert outcome.charged_s is not None
    assert outcome.import_s > 2.0 > outcome.charged_s


def test_an_import_beyond_its_allowance_is_stopped_and_named(bench: Bench, plugin: Plugin) -> None:
    source = "import os, signal\nos.kill(os.getppid(), signal.SIGSTOP)\nsignal.pause()\n" + NOTHING
    for hostile in (source, "import signal\nsignal.pause()\n" + NOTHING):
        outcome, _, _ = bench.unlearn(plugin(hostile), import_limit_s=0.5)

        assert outcome.status is Status.TIMEOUT, outcome
        assert "import of the plugin exceeded its limit of 0.5 s" in outcome.advice
        assert (outcome.charged_s, outcome.import_s) == (None, None)


def test_a_plugin_that_raises_leaves_nothing_behind(bench: Bench, plugin: Plugin) -> None:
    outcome, _, _ = bench.unlearn(plugin("@hookimpl\ndef unlearn(model):\n    raise ValueError('no')\n"))
    assert outcome.status is Status.PLUGIN_ERROR


def test_a_plugin_that_does_not_end_is_killed_and_leaves_nothing_behind(bench: Bench, plugin: Plugin) -> None:
    source = "@hookimpl\ndef unlearn(model):\n    import signal\n    while True:\n        signal.pause()\n"
    outcome, _, _ = bench.unlearn(plugin(source), limit_s=1.0)
    assert outcome.status is Status.TIMEOUT


def test_memory_beyond_the_limit_is_seen_as_such(bench: Bench, plugin: Plugin) -> None:
    source = "@hookimpl\ndef unlearn(model):\n    held = [bytearray(1 << 24) for _ in range(1 << 10)]\n"
    limits = Limits(memory_mib=512, pids=128, cpus=1.0, tmpfs_mib=64, shm_mib=64)
    outcome, _, _ = bench.unlearn(plugin(source), limits=limits)
    assert outcome.status is Status.OOM
    assert outcome.evidence.oom_killed


def test_the_report_has_the_limits_in_force(bench: Bench, plugin: Plugin) -> None:
    runner, _ = bench.runner(plugin(NOTHING))
    assert runner.facts.effective is None
    runner.start(bench.setup()).close()
    effective = runner.facts.effective
    assert effective == {
        "memory_mib": 2048,
        "pids": 128,
        "cpus": 1.0,
        "tmpfs_mib": 64,
        "shm_mib": 64,
        "log_bytes": 1 << 17,
    }


def test_the_report_names_image_engine_and_versions(bench: Bench, plugin: Plugin) -> None:
    runner, _ = bench.runner(plugin(NOTHING))
    facts = runner.facts
    assert facts.image is not None
    assert facts.image.startswith("sha256:")
    assert facts.engine["version"]
    assert (facts.torch, facts.python) == (bench.guest.torch, bench.guest.python)
    assert (facts.gpu, runner.device) == (None, "cpu")


def test_closing_tells_exit_status_and_error_stream(bench: Bench, plugin: Plugin) -> None:
    runner, _ = bench.runner(plugin(NOTHING))
    handle = runner.start(bench.setup())
    garbage = memoryview(b"this is no frame, and the guest says so\n")
    assert handle.write(garbage) == len(garbage)
    poller = select.poll()
    poller.register(handle.read_fd, select.POLLIN)
    while handle.read(1 << 16) != b"":
        poller.poll(1000)
    ended = handle.close()
    assert ended.exit_code == 5
    assert "protocol" in ended.stderr
    assert handle.close() is ended


def test_killing_twice_and_after_the_end_is_harmless(bench: Bench, plugin: Plugin) -> None:
    runner, _ = bench.runner(plugin(NOTHING))
    handle = runner.start(bench.setup())
    handle.kill()
    handle.kill()
    ended = handle.close()
    handle.kill()
    assert ended.exit_code == 137
    assert not ended.oom_killed


def test_a_folder_that_is_not_there_is_the_engines_error_and_leaves_nothing(bench: Bench, plugin: Plugin) -> None:
    runner, _ = bench.runner(plugin(NOTHING))
    missing = bench.data_file.parent / "nothing-here"
    with pytest.raises(SandboxError, match="nothing-here"):
        runner.start(GuestSetup(RUN_ID, architecture=missing))


def test_a_gpu_on_an_engine_without_any_is_refused_with_advice(bench: Bench, plugin: Plugin) -> None:
    if "nvidia" in " ".join(bench.engine.info().runtimes) or bench.engine.info().cdi_devices:
        pytest.skip("this engine has GPUs")
    runner, _ = bench.runner(plugin(NOTHING))
    with pytest.raises(GpuUnavailableError, match="--gpus none"):
        DockerRunner(bench.engine, runner._image, gpus="all")


def _sleeper(engine: Engine, bench: Bench, labels: dict[str, str], name: str) -> str:
    spec = ContainerSpec(bench.guest.id, name, labels, entrypoint=("sleep", "600"), memory_mib=64, pids=8)
    container_id = engine.create(spec)
    engine.start(container_id)
    return container_id


def test_reaping_spares_the_living(bench: Bench) -> None:
    container_id = _sleeper(bench.engine, bench, owner_labels(RUN_ID, 600), f"{RUN_ID}-alive")
    try:
        assert f"{RUN_ID}-alive" not in reap(bench.engine)
        assert bench.engine.inspect(container_id) is not None
    finally:
        bench.engine.remove(container_id)


def test_a_clock_that_was_set_and_a_machine_that_slept_cost_no_living_run_its_container(bench: Bench) -> None:
    labels = {**owner_labels(RUN_ID, 600), DEADLINE: "1"}
    container_id = _sleeper(bench.engine, bench, labels, f"{RUN_ID}-slept")
    try:
        assert f"{RUN_ID}-slept" not in reap(bench.engine)
    finally:
        bench.engine.remove(container_id)


def test_reaping_removes_what_is_past_its_deadline_if_its_process_cannot_be_seen(bench: Bench) -> None:
    labels = {**owner_labels(RUN_ID, 600), DEADLINE: "1", HOST_BOOT: "another"}
    container_id = _sleeper(bench.engine, bench, labels, f"{RUN_ID}-late")
    assert f"{RUN_ID}-late" in reap(bench.engine)
    assert bench.engine.inspect(container_id) is None


def test_reaping_removes_what_a_dead_process_left(bench: Bench) -> None:
    made = f"owner_labels({RUN_ID!r}, 600)"
    program = f"import json; from harness.runners.engine.reaper import owner_labels; print(json.dumps({made}))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    labels = json.loads(done.stdout)
    assert labels["harness.pid"] != str(os.getpid())
    _sleeper(bench.engine, bench, labels, f"{RUN_ID}-orphan")
    assert f"{RUN_ID}-orphan" in reap(bench.engine)


def test_a_container_of_which_an_interrupted_process_lost_hold_is_gone_when_that_has_ended(bench: Bench) -> None:
    program = f"""
from harness.runners.engine.client import Engine
from harness.runners.engine.types import ContainerSpec, ContainerState
from harness.runners.engine.reaper import owner_labels, remove_own_at_exit

engine = Engine.connect()
remove_own_at_exit(engine)
print(engine.create(ContainerSpec({bench.guest.id!r}, "{RUN_ID}-lost", labels=owner_labels("{RUN_ID}", 600))), flush=True)
raise KeyboardInterrupt
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert "KeyboardInterrupt" in ended.stderr
    assert bench.engine.inspect(ended.stdout.strip()) is None


def test_a_guest_ends_when_its_host_is_gone(bench: Bench, plugin: Plugin) -> None:
    runner, _ = bench.runner(plugin(NOTHING))
    handle = runner.start(bench.setup())
    container_id = handle._container_id
    # The kernel closes the connection of a host process that dies; here the test does.
    handle._connection.close()
    try:
        assert bench.engine.wait(container_id, 30)
    finally:
        bench.engine.remove(container_id)


def test_waiting_for_a_container_that_goes_on_says_so(bench: Bench) -> None:
    container_id = _sleeper(bench.engine, bench, owner_labels(RUN_ID, 600), f"{RUN_ID}-wait")
    try:
        assert bench.engine.wait(container_id, 0.2) is False
    finally:
        bench.engine.remove(container_id)


def test_a_container_that_talks_too_much_is_ended(bench: Bench) -> None:
    spec = ContainerSpec(bench.guest.id, "harness-test", entrypoint=("yes",), memory_mib=64, pids=8)
    result = run_once(bench.engine, spec, max_bytes=1 << 16)
    assert result.overflowed
    assert result.exit_code is not None


def test_a_container_that_takes_too_long_is_ended(bench: Bench) -> None:
    spec = ContainerSpec(bench.guest.id, "harness-test", entrypoint=("sleep", "600"), memory_mib=64, pids=8)
    assert run_once(bench.engine, spec, timeout_s=0.2).timed_out


def test_what_goes_through_a_container_arrives_whole(bench: Bench) -> None:
    sent = np.random.default_rng(0).bytes(3_000_000)
    spec = ContainerSpec(bench.guest.id, "harness-test", entrypoint=("head", "-c", "3000000"), memory_mib=64, pids=8)
    result = run_once(bench.engine, spec, stdin=sent, max_bytes=1 << 22)
    assert result.stdout == sent
    assert result.exit_code == 0


def test_a_guest_whose_output_nobody_reads_is_killed_all_the_same(bench: Bench) -> None:
    spec = ContainerSpec(bench.guest.id, f"{RUN_ID}-flood", owner_labels(RUN_ID, 600), ("yes",), memory_mib=64, pids=8)
    container_id = bench.engine.create(spec)
    handle = DockerHandle(bench.engine, container_id, bench.engine.attach(container_id), None)
    bench.engine.start(container_id)
    poller = select.poll()
    poller.register(handle.read_fd, select.POLLIN)
    assert poller.poll(30_000)
    handle.kill()
    assert handle.close().notes == ()


class HungEngine(Engine):
    """Answers nothing about containers any more until it is released."""

    released = threading.Event()

    def kill(self, container_id: str) -> None:
        self.released.wait()
        super().kill(container_id)

    def inspect(self, container_id: str) -> ContainerState | None:
        self.released.wait()
        return super().inspect(container_id)

    def remove(self, container_id: str) -> None:
        self.released.wait()
        super().remove(container_id)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may signal a container's processes")
def test_an_engine_that_hangs_does_not_keep_a_guest_alive(
    bench: Bench, plugin: Plugin, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("ASK_WAIT_S", "REMOVE_WAIT_S"):
        monkeypatch.setattr(docker_handle, name, 0.05)
    runner, _ = bench.runner(plugin(NOTHING))
    handle = runner.start(bench.setup())
    engine = HungEngine(bench.engine.base_url, bench.engine._api_version)
    handle._engine = engine
    container_id = handle._container_id
    try:
        handle.kill()
        state = bench.engine.inspect(container_id)
        ended = handle.close()
    finally:
        engine.released.set()
        bench.engine.remove(container_id)
        deadline_s = time.monotonic() + 60
        # The calls that were left behind remove it too, and the engine answers all but the first at once.
        while bench.engine.inspect(container_id) is not None and time.monotonic() < deadline_s:
            os.sched_yield()

    assert state is None or bench.engine.wait(container_id, 30)
    assert any("timed out" in note for note in ended.notes)


def test_processor_seconds_are_the_kernels_account_of_the_container(bench: Bench, plugin: Plugin) -> None:
    source = (
        "@hookimpl\ndef unlearn(model):\n    import os, time\n    pid = os.fork()\n"
        "    if not pid:\n        while time.process_time() < 0.4:\n            pass\n        os._exit(0)\n"
        "    os.waitpid(pid, 0)\n    time.sleep(1.0)\n"
    )
    outcome, _, _ = bench.unlearn(plugin(source), limit_s=30.0, clock="cpu", deadline_s=120.0)

    assert outcome.status is Status.OK
    assert outcome.charged_s == outcome.cpu_s
    assert outcome.charged_s is not None
    assert outcome.evidence.elapsed_s is not None
    assert 0.3 <= outcome.charged_s <= outcome.evidence.elapsed_s - 0.9


def test_a_container_that_used_up_its_processor_seconds_is_stopped(bench: Bench, plugin: Plugin) -> None:
    source = "@hookimpl\ndef unlearn(model):\n    while True:\n        pass\n"
    outcome, _, _ = bench.unlearn(plugin(source), limit_s=0.5, clock="cpu", deadline_s=120.0)

    assert outcome.status is Status.TIMEOUT
    assert outcome.charged_s is not None
    assert 0.5 <= outcome.charged_s < 20.0
