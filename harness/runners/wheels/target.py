"""The Python interpreter and platform that wheels are collected for."""

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
"""Program that prints the JSON document that :meth:`PythonTarget.from_probe` parses."""


@dataclass(frozen=True)
class PythonTarget:
    """A CPython interpreter on Linux with glibc.

    Attributes:
        version: (major, minor, micro).
        machine: CPU architecture, e.g. "x86_64".
        glibc: glibc version as (major, minor).
    """

    version: tuple[int, int, int]
    machine: str
    glibc: tuple[int, int]

    @classmethod
    def current(cls) -> PythonTarget:
        """Return the running interpreter's target."""
        return cls(sys.version_info[:3], platform.machine(), _pair(platform.libc_ver()[1]))

    @classmethod
    def from_probe(cls, data: dict[str, object]) -> PythonTarget:
        """Parse the output of :data:`PROBE`.

        Raises:
            ValueError: if it is not CPython, older than 3.10, or not on glibc (e.g. Alpine's musl).
        """
        if data["implementation"] != "cpython":
            raise ValueError(f"its Python is {data['implementation']}; CPython is required")
        major, minor, micro = (int(part) for part in data["version"])  # type: ignore[attr-defined]
        if (major, minor) < (3, 10):
            raise ValueError(f"its Python is {major}.{minor}; 3.10 or newer is required")
        if not data["glibc"]:
            raise ValueError("its C library is not glibc, which torch requires")
        return cls((major, minor, micro), str(data["machine"]), _pair(str(data["glibc"])))

    @property
    def python(self) -> str:
        """Return the full version, e.g. "3.11.2"."""
        return ".".join(str(part) for part in self.version)

    @property
    def short(self) -> str:
        """Return the minor version, e.g. "3.11"."""
        return f"{self.version[0]}.{self.version[1]}"

    @property
    def platforms(self) -> list[str]:
        """Return the supported platform tags, most specific first."""
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
        """Return the ABI tag, e.g. "cp311"."""
        return f"cp{self.version[0]}{self.version[1]}"

    def pip_flags(self) -> list[str]:
        """Return options that make ``pip download`` choose wheels for this target, whichever interpreter runs pip."""
        flags = ["--only-binary=:all:", "--implementation=cp", f"--python-version={self.python}", f"--abi={self.abi}"]
        return [*flags, *(f"--platform={tag}" for tag in self.platforms)]

    def tags(self) -> Iterator[Tag]:
        """Yield the supported wheel tags, most specific first."""
        short = self.version[:2]
        yield from cpython_tags(short, [self.abi], self.platforms)
        yield from compatible_tags(short, self.abi, self.platforms)

    def environment(self) -> dict[str, str]:
        """Return the values of environment markers (PEP 508)."""
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
        """Return a JSON-compatible dict, see :meth:`from_json`."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, object]) -> PythonTarget:
        """Parse the result of :meth:`to_json`."""
        major, minor, micro = map(int, data["version"])  # type: ignore[call-overload]
        glibc_major, glibc_minor = map(int, data["glibc"])  # type: ignore[call-overload]
        return cls((major, minor, micro), str(data["machine"]), (glibc_major, glibc_minor))


def _pair(text: str) -> tuple[int, int]:
    major, minor = (int(part) for part in text.split(".")[:2])
    return major, minor
