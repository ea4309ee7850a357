"""A Python that wheels are collected for: the sandbox's, or the one that runs the harness."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from packaging.tags import Tag, compatible_tags, cpython_tags

OLDEST_GLIBC_MINOR = {"x86_64": 5}
LEGACY_TAGS = {"manylinux2014": 17, "manylinux2010": 12, "manylinux1": 5}

PROBE = (
    "import json, platform, sys; print(json.dumps({'version': list(sys.version_info[:3]), 'implementation': "
    "sys.implementation.name, 'machine': platform.machine(), 'glibc': platform.libc_ver()[1]}))"
)
"""A program that prints, as JSON, what :meth:`PythonTarget.from_probe` reads."""


@dataclass(frozen=True)
class PythonTarget:
    """A CPython on Linux with glibc.

    Attributes:
        version: (major, minor, micro).
        machine: e.g. "x86_64".
        glibc: (major, minor).
    """

    version: tuple[int, int, int]
    machine: str
    glibc: tuple[int, int]

    @classmethod
    def current(cls) -> PythonTarget:
        """The Python that runs this."""
        return cls(sys.version_info[:3], platform.machine(), _pair(platform.libc_ver()[1]))

    @classmethod
    def from_probe(cls, data: dict[str, object]) -> PythonTarget:
        """From what :data:`PROBE` prints.

        Raises:
            ValueError: not CPython, older than 3.10, or not glibc (Alpine's musl, say).
        """
        if data["implementation"] != "cpython":
            raise ValueError(f"its Python is {data['implementation']}, and CPython is needed")
        major, minor, micro = (int(part) for part in data["version"])  # type: ignore[attr-defined]
        if (major, minor) < (3, 10):
            raise ValueError(f"its Python is {major}.{minor}, and 3.10 or newer is needed")
        if not data["glibc"]:
            raise ValueError("its C library is not glibc, for which torch is built")
        return cls((major, minor, micro), str(data["machine"]), _pair(str(data["glibc"])))

    @property
    def python(self) -> str:
        """E.g. "3.11.2"."""
        return ".".join(str(part) for part in self.version)

    @property
    def short(self) -> str:
        """E.g. "3.11"."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def platforms(self) -> list[str]:
        """Platform tags whose wheels run here, best first."""
        oldest = OLDEST_GLIBC_MINOR.get(self.machine, 17)
        legacy = {minor: name for name, minor in LEGACY_TAGS.items()}
        tags: list[str] = []
        for minor in range(self.glibc[1], oldest - 1, -1):
            tags.append(f"manylinux_2_{minor}_{self.machine}")
            if minor in legacy:
                tags.append(f"{legacy[minor]}_{self.machine}")
        return [*tags, f"linux_{self.machine}"]

    @property
    def abi(self) -> str:
        """E.g. "cp311"."""
        return f"cp{self.version[0]}{self.version[1]}"

    def pip_flags(self) -> list[str]:
        """Options that make ``pip download`` choose wheels for this Python whichever one pip runs in."""
        flags = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}", f"--abi={self.abi}"]
        return [*flags, *(f"--platform={tag}" for tag in self.platforms)]

    def tags(self) -> Iterator[Tag]:
        """Wheel tags that run here, best first."""
        short = self.version[:2]
        yield from cpython_tags(short, [self.abi], self.platforms)
        yield from compatible_tags(short, self.abi, self.platforms)

    def environment(self) -> dict[str, str]:
        """Values for environment markers (PEP 508)."""
        return {
            "implementation_name": "cpython",
            "implementation_version": self.python,
            "os_name": "posix",
            "platform_machine": self.machine,
            "platform_python_implementation": "CPython",
            "platform_release": "",
            "platform_system": "Linux",
            "platform_version": "",
            "python_full_version": self.python,
            "python_version": self.short,
            "sys_platform": "linux",
            "extra": "",
        }

    def to_json(self) -> dict[str, object]:
        """JSON values; :meth:`from_json` reads them back."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, object]) -> PythonTarget:
        """Inverse of :meth:`to_json`."""
        major, minor, micro = map(int, data["version"])  # type: ignore[call-overload]
        glibc_major, glibc_minor = map(int, data["glibc"])  # type: ignore[call-overload]
        return cls((major, minor, micro), str(data["machine"]), (glibc_major, glibc_minor))


def _pair(text: str) -> tuple[int, int]:
    major, minor = (int(part) for part in text.split(".")[:2])
    return major, minor
