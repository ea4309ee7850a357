"""A Docker engine of a test's own, which it may kill."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

START_S = 60.0


def possible() -> bool:
    """Whether this user may start an engine."""
    return os.geteuid() == 0 and shutil.which("dockerd") is not None


@dataclass
class PrivateEngine:
    """``dockerd`` with the containerd that it starts, all of its files in one folder."""

    folder: Path
    _process: subprocess.Popen[bytes] | None = field(default=None, init=False)

    @property
    def host(self) -> str:
        """For ``DOCKER_HOST``."""
        return f"unix://{self.folder}/sock"

    def docker(self, *arguments: str) -> str:
        """Return the output of a ``docker`` command, which must succeed."""
        command = ["docker", "--host", self.host, *arguments]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def start(self) -> None:
        """Start the engine and wait until it answers."""
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *("dockerd", "--host", self.host, "--data-root", self.folder / "data", "--exec-root", self._exec),
                    *("--pidfile", self.folder / "pid", "--bridge=none", "--iptables=false", "--log-level=warn"),
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until = time.monotonic() + START_S
        while subprocess.run(["docker", "--host", self.host, "version"], capture_output=True, check=False).returncode:
            assert self._process.poll() is None, (self.folder / "log").read_text()[-4000:]
            assert time.monotonic() < until, (self.folder / "log").read_text()[-4000:]

    def load(self, images: Sequence[str]) -> None:
        """Take images from the engine that ``docker`` speaks to by itself."""
        with subprocess.Popen(["docker", "save", *images], stdout=subprocess.PIPE) as saving:
            subprocess.run(
                ["docker", "--host", self.host, "load"], stdin=saving.stdout, check=True, capture_output=True
            )
        assert saving.returncode == 0

    def kill(self) -> None:
        """Kill the engine outright; the containerd that it started dies with it, and the containers live on."""
        assert self._process is not None
        self._process.kill()
        self._process.wait()
        self._kill_containerd()

    def end(self) -> None:
        """Stop the engine in order, so that it unmounts what it has mounted, and make sure that all is gone."""
        if self._process is not None and self._process.poll() is None:
            self._process.terminate()
            self._process.wait(START_S)
        self._kill_containerd()
        self._kill_shims()
        for mount in self._mounts():
            subprocess.run(["umount", "--lazy", mount], check=True)
        shutil.rmtree(self.folder)

    def _mounts(self) -> list[str]:
        """Return the mounts in the engine's folder, innermost first; a killed engine has unmounted nothing."""
        places = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
        return [place for place in reversed(places) if Path(place).is_relative_to(self.folder)]

    @property
    def _exec(self) -> Path:
        return self.folder / "exec"

    def _kill_shims(self) -> None:
        """End what holds a container of this engine: an engine that was killed does not always find it again."""
        for file in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if str(self._exec).encode() in file.read_bytes():
                    os.kill(int(file.parent.name), signal.SIGKILL)

    def _kill_containerd(self) -> None:
        file = self._exec / "containerd" / "containerd.pid"
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = int(file.read_text())
            if str(self._exec).encode() in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(pid, signal.SIGKILL)
        file.unlink(missing_ok=True)  # an engine that starts takes one that nobody has waited for yet to be alive
