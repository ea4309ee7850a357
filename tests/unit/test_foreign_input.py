"""Whatever a stranger's or the system's files and answers hold, their readers raise our own errors and no others."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from harness.core import pressure
from harness.core.cache import Cache
from harness.core.outcomes import Evidence, ModelOutcome, Status
from harness.core.site_marker import is_site, marker_text
from harness.errors import HarnessError, RunNotFoundError
from harness.leaderboards import find_reports
from harness.report.writing import load_report, report_text
from harness.runners.bundles.source import build_requirements
from harness.runners.engine.answers import container_state, engine_info, image_info
from harness.runners.engine.cgroups import Cgroup
from harness.runners.engine.client import _translated
from harness.runners.engine.reaper import orphaned, owner_labels
from harness.runners.engine.types import ImageInfo
from harness.runners.images.listing import PLUGIN, _row
from harness.runners.images.torch import FACTS, _torch_image
from harness.runners.wheels.metadata import parse_entry_points, parse_metadata
from harness.runners.wheels.target import PythonTarget
from harness.runners.wheels.wheel import WheelFile
from harness.runs.budget import Limit
from harness.runs.config import RunConfig
from harness.runs.kept_task import kept_task
from harness.runs.logs import run_log
from harness.runs.store import RunStore
from harness.runs.torch_matrix import read_matrix
from harness.tasks.loading import bundled_file, load_task
from tests.unit.bundles.wheels import write_wheel
from tests.unit.report.samples import full_report
from tests.unit.rubbish import rubbish

INPUTS = 40
"""For each reader."""
MANY = 5_000
"""The same in the slow suite: 100,000 for all together."""
OUTCOME = ModelOutcome(3, 1, Status.OK, charged_s=1.0, evidence=Evidence(notes=("a",)), earlier_attempts=("b",))
LIMIT = Limit(1.0, "fraction", 0.2, retrain_s=(5.0,), retrain_min_s=5.0, key="k")
TARGET = PythonTarget((3, 11, 2), "x86_64", (2, 36))
Read = Callable[[Path, bytes], object]


def _task() -> Any:
    return json.loads(json.dumps(load_task(bundled_file("faces")).definition))


def _run_json() -> bytes:
    begun = {
        "config": RunConfig(plugin="x").to_json(),
        "run_id": "a",
        "created": "b",
        "identity": {"device": ["cpu", "x"], "cores": 2},
        "limit": asdict(LIMIT),
        "task": {"definition": _task(), "source": "s", "folder": "/", "from_run": "."},
    }
    return json.dumps(begun).encode()


def _read_run(folder: Path, data: bytes) -> object:
    store = RunStore(folder)
    (folder / "run.json").write_bytes(data)
    begun = store.read_run()
    config = RunConfig.from_json(begun["config"])
    return kept_task(begun, config, folder), Limit.from_json(begun.get("limit") or asdict(LIMIT))


def _read_model(name: str) -> Read:
    def read(folder: Path, data: bytes) -> object:
        (folder / "run.json").write_bytes(b"{}")
        place = folder / "models" / "0003"
        place.mkdir(parents=True, exist_ok=True)
        (place / name).write_bytes(data)
        store = RunStore.open(folder)
        return store.finished(), store.begun(), list(run_log(folder)), store.logits(3) if "logits" in name else None

    return read


def _read_report(folder: Path, data: bytes) -> object:
    (folder / "report.json").write_bytes(data)
    with suppress(HarnessError):
        find_reports([folder])
    return load_report(folder)


def _read_task(folder: Path, data: bytes) -> object:
    (folder / "task.yaml").write_bytes(data)
    return load_task(folder / "task.yaml")


def _read_matrix(folder: Path, data: bytes) -> object:
    (folder / "matrix.json").write_bytes(data)
    return read_matrix(folder)


def _read_marker(folder: Path, data: bytes) -> object:
    (folder / "harness-leaderboard.json").write_bytes(data)
    return is_site(folder)


def _read_entry(folder: Path, data: bytes) -> object:
    cache, inputs = Cache("things", folder), {"a": 1}
    place, _ = cache.get_or_build(inputs, lambda to: (to / "x").write_bytes(b"x") and None)
    (place / "entry.json").write_bytes(data)
    assert len(list(cache.entries())) == 1
    place, _ = cache.get_or_build(inputs, lambda to: (to / "x").write_bytes(b"x") and None)
    return (place / "x").read_bytes()


def _sound_entry() -> bytes:
    sha = "2d711642b726b04401627ca9fbac32f5c8530fb1903cc4db02258717921a4881"
    return json.dumps({"inputs": {"a": 1}, "files": {"x": sha}}).encode()


def _read_wheel(folder: Path, data: bytes) -> object:
    path = folder / "toy-1.0-py3-none-any.whl"
    path.write_bytes(data)
    wheel = WheelFile.read(path)
    wheel.requires(TARGET)
    for content in wheel.contents():
        content.file.read()
    return wheel.files()


def _read_build_requirements(folder: Path, data: bytes) -> object:
    (folder / "pyproject.toml").write_bytes(data)
    return build_requirements(folder)


def _read_answer(read: Callable[[Any], object]) -> Read:
    def answer(_folder: Path, data: bytes) -> object:
        with _translated("asking"):
            return read(json.loads(data))

    return answer


def _image(facts: str) -> ImageInfo:
    return ImageInfo("sha256:1", (), {FACTS: facts}, 1, "")


def _read_facts(_folder: Path, data: bytes) -> object:
    text = data.decode(errors="replace")
    return _row(PLUGIN, _image(text)), _row("torch", _image(text)), _torch_image(_image(text))


def _facts() -> bytes:
    facts = {
        "torch": "2.4",
        "target": TARGET.to_json(),
        "packages": {"numpy": "2"},
        "base": "b",
        "distribution": "d",
        "version": "1",
    }
    return json.dumps(facts).encode()


def _read_labels(_folder: Path, data: bytes) -> object:
    try:
        labels = json.loads(data)
    except (ValueError, RecursionError):
        labels = {}
    with _translated("listing"):
        return orphaned(container_state({"Id": "x", "Config": {"Labels": labels}}).labels)


def _read_kernel(folder: Path, data: bytes) -> object:
    for name in ("cgroup", "memory.events", "pids.events", "cpu.stat", "memory.max", "pids.max", "cpu.max", "pressure"):
        (folder / name).write_bytes(data)
    (folder / "7").mkdir(exist_ok=True)
    (folder / "7" / "cgroup").write_bytes(data)
    Cgroup.of(7, "abc", folder, folder)
    group = Cgroup(2, {"": folder})
    known = (group.oom_kills(), group.refused_forks(), group.cpu_s(), group.memory_mib(), group.pids(), group.cpus())
    return known, pressure.waited_s(folder / "pressure"), pressure.core_times(folder / "pressure")


STATE = {
    "Id": "x",
    "Name": "/n",
    "Config": {"Labels": {"a": "b"}},
    "State": {"Running": False, "ExitCode": 1, "Pid": 3},
    "HostConfig": {"Memory": 1},
}
IMAGE = {"Id": "x", "RepoTags": ["a:b"], "Config": {"Labels": {"a": "b"}}, "Size": 3, "Created": "now"}
INFO = {
    "ServerVersion": "1",
    "SecurityOptions": ["name=seccomp,profile=x"],
    "Runtimes": {"runc": {}},
    "NCPU": 2,
    "MemTotal": 5,
    "DiscoveredDevices": [{"ID": "a"}],
}
METADATA = b"Metadata-Version: 2.1\nName: toy\nVersion: 1.0\nRequires-Dist: numpy>=1; python_version > '3'\n"
ENTRIES = b"[harness.unlearners]\ntoy = toy:plugin\n[console_scripts]\na = b\n"
KERNEL = b"0::/docker/abc\noom_kill 3\nmax 5\nusage_usec 7\nsome avg10=1.5 avg60=0 total=100\ncpu 1 2 3 4 5\n"
HERE = Path("x-1-py3-none-any.whl")


def _wheel_bytes(folder: Path) -> bytes:
    return write_wheel(folder).read_bytes()


def _logits_bytes() -> bytes:
    from safetensors.numpy import save

    return save({"forget": np.zeros((2, 3), dtype=np.float32)})


READERS: Mapping[str, tuple[Read, Callable[[Path], bytes]]] = {
    "task": (_read_task, lambda _: bundled_file("faces").read_bytes()),
    "task as JSON": (_read_task, lambda _: json.dumps(_task()).encode()),
    "report": (_read_report, lambda _: report_text(full_report()).encode()),
    "run": (_read_run, lambda _: _run_json()),
    "outcome": (_read_model("outcome.json"), lambda _: json.dumps(asdict(OUTCOME)).encode()),
    "attempts": (_read_model("attempts.json"), lambda _: b'{"earlier": ["a"]}'),
    "logits": (_read_model("logits.safetensors"), lambda _: _logits_bytes()),
    "matrix": (
        _read_matrix,
        lambda _: json.dumps({"torch": ["2.4", "2.6"], "config": RunConfig("x").to_json()}).encode(),
    ),
    "marker": (_read_marker, lambda _: marker_text(["a"]).encode()),
    "cache entry": (_read_entry, lambda _: _sound_entry()),
    "wheel": (_read_wheel, _wheel_bytes),
    "metadata": (lambda _, data: parse_metadata(HERE, data.decode(errors="replace")), lambda _: METADATA),
    "entry points": (lambda _, data: parse_entry_points(HERE, data.decode(errors="replace")), lambda _: ENTRIES),
    "build requirements": (_read_build_requirements, lambda _: b'[build-system]\nrequires = ["setuptools>=77"]\n'),
    "engine": (_read_answer(lambda found: engine_info(found, "1.41", found)), lambda _: json.dumps(INFO).encode()),
    "image": (_read_answer(image_info), lambda _: json.dumps(IMAGE).encode()),
    "container": (_read_answer(container_state), lambda _: json.dumps(STATE).encode()),
    "image's facts": (_read_facts, lambda _: _facts()),
    "container's labels": (_read_labels, lambda _: json.dumps(owner_labels("r", 1.0)).encode()),
    "kernel": (_read_kernel, lambda _: KERNEL),
}


@pytest.mark.parametrize("inputs", [INPUTS, pytest.param(MANY, marks=[pytest.mark.slow, pytest.mark.timeout(7200)])])
@pytest.mark.parametrize("name", READERS)
def test_rubbish_is_read_or_refused(tmp_path: Path, name: str, inputs: int) -> None:
    read, sample = READERS[name]
    (tmp_path / "sample").mkdir()
    sound = sample(tmp_path / "sample")
    (tmp_path / "sound").mkdir()
    read(tmp_path / "sound", sound)  # what is changed is sound
    refused = 0
    for seed in range(inputs):
        folder = tmp_path / str(seed % 50)
        folder.mkdir(exist_ok=True)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # zipfile's, on odd names
                read(folder, rubbish(seed, sound))
        except HarnessError:
            refused += 1
        except Exception as error:
            pytest.fail(f"seed {seed}: {type(error).__name__}: {str(error)[:300]}")
    assert refused or name in ("marker", "cache entry", "kernel")


@pytest.mark.parametrize(("name", "seed"), [("run", 1257), ("kernel", 674)])
def test_rubbish_that_once_ended_the_program_is_read_or_refused(tmp_path: Path, name: str, seed: int) -> None:
    read, sample = READERS[name]

    with suppress(HarnessError):
        read(tmp_path, rubbish(seed, sample(tmp_path)))


def test_a_limit_of_other_types_is_refused() -> None:
    with pytest.raises(RunNotFoundError, match=r"(?s)stored limit of the run is damaged.*limit_s"):
        Limit.from_json({**asdict(LIMIT), "limit_s": "soon"})
