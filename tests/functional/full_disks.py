"""Small disks that fill up: file systems in memory, in a mount namespace that vanishes with the test."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.program import Ended, Program


@dataclass(frozen=True)
class SmallDisk:
    """A disk at ``place`` that only commands started here see."""

    place: Path
    pid: int

    @classmethod
    @contextmanager
    def mounted(cls, place: Path, kib: int) -> Iterator[SmallDisk]:
        """Mount a new disk of ``kib`` KiB; this needs root."""
        place.mkdir()
        mount = 'mount -t tmpfs -o size="$2"k disk "$1" && echo ready && exec cat'
        command = ["unshare", "--mount", "sh", "-c", mount, "sh", str(place), str(kib)]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdin is not None
            assert holder.stdout.readline() == "ready\n"
            try:
                yield cls(place, holder.pid)
            finally:
                holder.stdin.close()  # the namespace and the disk end with it

    def enlarge(self, kib: int) -> None:
        """Make room."""
        subprocess.run([*self._inside(Path("/")), "mount", "-o", f"remount,size={kib}k", self.place], check=True)

    def run(self, program: Program, *arguments: str | Path) -> Ended:
        """Run the program where the disk is seen."""
        inside = Program(program.environment, program.folder, prefix=self._inside(program.folder))
        return inside(*arguments)

    def _inside(self, folder: Path) -> tuple[str, ...]:
        return ("nsenter", f"--target={self.pid}", "--mount", f"--wd={folder}", "--")

    def seen(self, path: Path) -> Path:
        """Return a path on the disk as seen by this process."""
        return Path(f"/proc/{self.pid}/root{path}")


def possible() -> bool:
    """Whether this user may make a mount namespace."""
    return os.geteuid() == 0 and subprocess.run(["unshare", "--mount", "true"], check=False).returncode == 0
