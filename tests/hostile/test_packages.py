"""Hostile packages are listed, resolved and built into the sandbox without anything of them running on the host."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from harness.core.outcomes import ModelOutcome, Status
from harness.core.text import harmless
from harness.errors import PluginPackagingError
from harness.runners.bundles import resolve
from harness.runners.engine.client import Engine
from harness.runners.images.listing import GuestImage
from tests.containers import left_behind
from tests.docker.conftest import Bench, write_data
from tests.hostile.packages import HOOK, INFO, touching, write_hostile_wheel
from tests.program import Program

ON_IMPORT = {
    "exits": "import os\nos._exit(0)\n",
    "raises": "raise ImportError('\\x1b[2J<script>alert(1)</script>')\n",
    "sleeps": "import time\nwhile True:\n    time.sleep(1)\n",
}

BUSY = f"""
import os, socket, sys, time
for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
    with socket.socket(socket.AF_INET, kind) as client:
        client.settimeout(2)
        try:
            client.connect(("127.0.0.1", PORT))
            client.send(b"hello")
        except OSError as error:
            print("refused:", error)
for _ in range(5):
    if os.fork() == 0:
        time.sleep(20)
        os._exit(0)
import torch, numpy, pluggy, safetensors, harness_guest, reference_models, json, encodings, site
print("shadowed:", [name for name in NAMES if "/opt/plugin" in str(sys.modules[name].__file__)])
print("hooked:", hasattr(sys, "hooked"))
print("A" * 5_000_000)
{HOOK}
"""
"""What an import can be busy with: a connection to the host, processes, looking for replaced modules, output."""

PICKLES = """
import io, json, os, pickle, sys

class Bomb:
    def __reduce__(self):
        return (open, ({place!r}, "w"))

frame = sys._getframe()
while "ends" not in frame.f_locals:
    frame = frame.f_back
ends, raw = frame.f_locals["ends"], pickle.dumps(Bomb())
os.write(ends.weights, raw)
os.write(ends.report, json.dumps({{"weights_bytes": len(raw)}}).encode() + b"\\n")
os._exit(0)
"""

SHADOWS = ("torch", "numpy", "pluggy", "safetensors", "harness_guest", "reference_models", "json", "encodings", "site")

FORGING_SETUP = """
import os, setuptools
for process in filter(str.isdigit, os.listdir("/proc")):
    for descriptor in range(64):
        try:
            with open(f"/proc/{process}/fd/{descriptor}", "wb", buffering=0) as stream:
                stream.write(b"../../../../tmp/forged-1.0-py3-none-any.whl\\nPK")
        except OSError:
            pass
setuptools.setup()
"""


@pytest.fixture(scope="module")
def bench(
    engine: Engine,
    guest: GuestImage,
    removed_later: Callable[[Iterable[str]], None],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Bench]:
    """Yield a bench; at the end, remove its images and assert that no container is left."""
    bench = Bench(engine, guest, write_data(tmp_path_factory.mktemp("data") / "data.safetensors"))
    yield bench
    assert left_behind(engine) == []
    removed_later(bench.tags)


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Path]:
    """Yield a host path that hostile code would write; assert afterwards that it does not exist."""
    place = tmp_path / "canary" / "sang"
    place.parent.mkdir()
    yield place
    assert list(place.parent.iterdir()) == []


def _unlearn(bench: Bench, wheel: Path, name: str, import_limit_s: float = 60.0) -> ModelOutcome:
    outcome, _, _ = bench.unlearn(f"{wheel}#{name}", limit_s=60.0, import_limit_s=import_limit_s)
    return outcome


@pytest.fixture(scope="module")
def listener() -> Iterator[tuple[socket.socket, socket.socket]]:
    """Yield a TCP and a UDP socket on the same port of the host's loopback."""
    with socket.create_server(("127.0.0.1", 0)) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", tcp.getsockname()[1]))
        tcp.setblocking(False)
        udp.setblocking(False)
        yield tcp, udp


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where hostile code of the module's wheel would leave a file on the host."""
    return tmp_path_factory.mktemp("canary") / "sang"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory, listener: tuple[socket.socket, socket.socket], place: Path) -> Path:
    """One wheel with all the unlearners of this module, so that one image serves them."""
    sources = {
        **ON_IMPORT,
        "busy": f"PORT, NAMES = {listener[0].getsockname()[1]}, {SHADOWS}\n{BUSY}",
        "pickles": PICKLES.format(place=str(place)),
    }
    shadows = {f"{name}/__init__.py": touching(place) + "raise SystemExit(9)\n" for name in SHADOWS}
    hooks = {f"{name}customize.py": touching(place) + "import sys; sys.hooked = 1\n" for name in ("site", "user")}
    paths = {name: f"import sys; sys.hooked = 1; {touching(place)!r}\n" for name in ("a.pth", "x.data/purelib/b.pth")}
    return write_hostile_wheel(
        tmp_path_factory.mktemp("wheel"),
        {name: touching(place) + source for name, source in sources.items()},
        **shadows,
        **hooks,
        **paths,
    )


@pytest.mark.docker
@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("exits", Status.OUTPUT_MISSING),
        ("raises", Status.SETUP_ERROR),
        ("sleeps", Status.TIMEOUT),
        ("pickles", Status.OUTPUT_MISSING),  # nothing is a result before the clock runs
    ],
)
def test_what_a_plugin_does_when_it_is_imported_is_told_and_stays_in_the_sandbox(
    bench: Bench, wheel: Path, place: Path, name: str, status: Status
) -> None:
    outcome = _unlearn(bench, wheel, name, import_limit_s=2.0 if status is Status.TIMEOUT else 60.0)

    assert outcome.status is status
    assert harmless(outcome.evidence.error_message or "") == (outcome.evidence.error_message or "")
    assert not place.exists()


@pytest.fixture(scope="module")
def busy(bench: Bench, wheel: Path) -> ModelOutcome:
    """Return the outcome of a model with a plugin that is busy during its import."""
    return _unlearn(bench, wheel, "busy")


@pytest.mark.docker
def test_processes_and_megabytes_of_an_import_are_bounded(busy: ModelOutcome) -> None:
    assert busy.status is Status.OK
    assert busy.log.dropped_bytes > 4_000_000
    assert any("5 leftover process(es)" in note for note in busy.evidence.notes)


@pytest.mark.docker
def test_a_listener_on_the_hosts_loopback_hears_nothing(
    busy: ModelOutcome, listener: tuple[socket.socket, socket.socket]
) -> None:
    tcp, udp = listener
    assert "refused:" in busy.log.head
    with pytest.raises(BlockingIOError):
        tcp.accept()
    with pytest.raises(BlockingIOError):
        udp.recv(100)


@pytest.mark.docker
def test_modules_and_startup_files_of_a_wheel_replace_nothing(busy: ModelOutcome, place: Path) -> None:
    assert "\nshadowed: []\nhooked: False\n" in busy.log.head
    assert not place.exists()


@pytest.mark.docker
def test_a_build_that_writes_into_every_stream_gets_no_file_of_its_choice(
    bench: Bench, tmp_path: Path, canary: Path
) -> None:
    source = tmp_path / "source"
    source.mkdir()
    (source / "setup.py").write_text(touching(canary) + FORGING_SETUP)
    (source / "setup.cfg").write_text("[metadata]\nname = forging\nversion = 1.0\n")

    with pytest.raises(PluginPackagingError):
        resolve(str(source), engine=bench.engine, guest=bench.guest)
    assert not Path("/tmp/forged-1.0-py3-none-any.whl").exists()


def test_an_unlearner_that_exits_on_import_is_listed_by_the_program(tmp_path: Path, canary: Path) -> None:
    site = _installed(tmp_path, {"deadly": touching(canary) + "import os; os._exit(3)\n"}, "deadly = deadly\n")

    ended = Program({**os.environ, "PYTHONPATH": str(site)}, tmp_path)("plugins")

    assert (ended.code, "deadly" in ended.out) == (0, True), ended.err


def test_names_of_installed_plugins_are_harmless_in_a_terminal(tmp_path: Path) -> None:
    site = _installed(tmp_path, {}, "a\x1b[2J\x07\u202eb = mod\x1b]0;owned\x07\n", name="evil\x1b[31m")

    ended = Program({**os.environ, "PYTHONPATH": str(site)}, tmp_path)("plugins")

    assert ended.code == 0, ended.err
    assert not set("\x1b\x07\u202e") & set(ended.out + ended.err)


def _installed(folder: Path, modules: dict[str, str], points: str, name: str = "hostile-plugin") -> Path:
    """Install a distribution in a site folder."""
    info = folder / "site" / INFO
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n", encoding="utf-8")
    (info / "entry_points.txt").write_text(f"[harness.unlearners]\n{points}", encoding="utf-8")
    for module, source in modules.items():
        (info.parent / f"{module}.py").write_text(source)
    return info.parent
