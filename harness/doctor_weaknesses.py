"""What is known to hold less well on an engine, and what holds better, from what the engine says about itself.

Versions tell of holes that were closed upstream. A distribution may have closed them in an older version, which only its own
changelog tells, so a version is never more than a warning. Sources of the versions: the CVE records and runc's changelog; for
io_uring, Docker's change of its default filter in 25.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from packaging.version import Version

from harness.checks import Check, CheckStatus
from harness.runners.engine_types import EngineInfo

NUMBER = re.compile(r"(\d+\.\d+(?:\.\d+)?)(?:[-~.]?(rc|alpha|beta)\.?(\d+))?")
STRONG_RUNTIMES = {
    "runsc": "gVisor: system calls are answered by a kernel of its own, in user space",
    "kata": "Kata Containers: every container is a virtual machine with a kernel of its own",
}
NO_IO_URING = Version("25.0")
OWN_PROFILES = ("default", "builtin")  # of Docker; a path is the administrator's
NEEDED_LIMITS = frozenset({"memory", "processes", "CPU"})


class Flaw(NamedTuple):
    """A known way out of containers.

    Attributes:
        name: its CVE numbers, in words.
        fixed: the first version of each release line that is free of it; later lines are free of it too.
    """

    name: str
    fixed: tuple[str, ...]

    def affects(self, version: Version) -> bool:
        """Whether an upstream release of this version has it."""
        fixed = [Version(text) for text in self.fixed]
        own_line = [one for one in fixed if one.release[:2] == version.release[:2]]
        return version < (own_line[0] if own_line else max(fixed))


RUNC_FLAWS = (
    Flaw("CVE-2019-5736", ("1.0.0rc7",)),
    Flaw("CVE-2024-21626", ("1.1.12",)),
    Flaw("CVE-2025-31133, CVE-2025-52565, CVE-2025-52881", ("1.2.8", "1.3.3", "1.4.0rc3")),
)
TOOLKIT_FLAWS = (
    Flaw("CVE-2024-0132", ("1.16.2",)),
    Flaw("CVE-2025-23359", ("1.17.4",)),
    Flaw("CVE-2025-23266, CVE-2025-23267", ("1.17.8",)),
)


def weaknesses(info: EngineInfo) -> Iterator[Check]:
    """Findings about how well this engine holds containers. "fail" only where limits that were asked for do not hold."""
    yield from _cgroups(info)
    yield from _limits(info)
    yield from _root(info)
    yield from _filter(info)
    yield from _confinement(info)
    yield from _runc(info)
    yield from _toolkit(info)
    yield from _runtimes(info)


def version_in(text: str) -> Version | None:
    """The first version number in a program's words, without a distribution's additions; None where there is none."""
    found = NUMBER.search(text)
    if found is None:
        return None
    number, stage, count = found.groups()
    return Version(number if stage is None else f"{number}{stage}{count}")


def _cgroups(info: EngineInfo) -> Iterator[Check]:
    if info.cgroup_version == "1":
        detail = "cgroup v1: swap is limited only where the kernel counts it, and containers see their group's name"
        yield Check("Docker cgroups", "warn", detail, "A system with cgroup v2 (any current distribution) is better.")


def _limits(info: EngineInfo) -> Iterator[Check]:
    if info.rootless and info.cgroup_version == "1":
        detail = "rootless on cgroup v1: limits on memory, processes and CPU are not in force"
        yield Check("Docker limits", "fail", detail, "Use cgroup v2 with delegation, or an engine run by root.")
    elif info.missing_limits:
        status: CheckStatus = "fail" if NEEDED_LIMITS.intersection(info.missing_limits) else "warn"
        detail = f"the engine says that it cannot limit {', '.join(info.missing_limits)}"
        advice = "Enable them in the kernel; for a rootless engine, delegate them to its user (systemd: Delegate=yes)."
        yield Check("Docker limits", status, detail, advice)


def _root(info: EngineInfo) -> Iterator[Check]:
    if info.rootless:
        yield Check(
            "Docker rights", "ok", "rootless: who breaks out of a container has the rights of one ordinary user"
        )
    elif info.remaps_users:
        yield Check("Docker rights", "ok", "user ids are remapped: root in a container is no user of this machine")
    else:
        detail = (
            "the engine runs as root and does not remap user ids: root in a container would be root of this machine"
        )
        advice = (
            "Plugins run as user 10001 and cannot become root; a rootless engine, or `userns-remap` in the engine's "
            "configuration, is a second wall."
        )
        yield Check("Docker rights", "warn", detail, advice)


def _filter(info: EngineInfo) -> Iterator[Check]:
    if "seccomp" not in info.security_options or info.seccomp_profile == "unconfined":
        detail = "no seccomp filter: a plugin may use every system call of the kernel"
        yield Check(
            "Docker seccomp", "warn", detail, "Use an engine and a kernel with seccomp before running strangers."
        )
        return
    version = version_in(info.version)
    if info.podman:
        detail = (
            "Podman's default filter lets programs create user namespaces and use the kernel's key store, which Docker's "
            "refuses: more of the kernel can be attacked"
        )
        advice = "Use Docker, or a `seccomp_profile` of your own in containers.conf, before running strangers."
        yield Check("Docker seccomp", "warn", detail, advice)
    elif info.seccomp_profile in OWN_PROFILES and version is not None and version < NO_IO_URING:
        detail = (
            f"the default filter of engine {info.version} allows io_uring, by whose faults programs have left containers; "
            "it is refused from 25.0 on"
        )
        advice = (
            "Upgrade the engine, or switch io_uring off: `sudo sysctl kernel.io_uring_disabled=2` (Linux 6.6 or newer)."
        )
        yield Check("Docker seccomp", "warn", detail, advice)


def _confinement(info: EngineInfo) -> Iterator[Check]:
    if not {"apparmor", "selinux"}.intersection(info.security_options):
        detail = "neither AppArmor nor SELinux confines containers"
        advice = "Switch on the one that your distribution has, and restart the engine."
        yield Check("Docker confinement", "warn", detail, advice)


def _runc(info: EngineInfo) -> Iterator[Check]:
    text = next((version for name, version in info.components.items() if "runc" in name.lower()), "")
    yield from _outdated("runc", "runc", text, RUNC_FLAWS, "Upgrade runc (it comes with Docker's packages).")


def _toolkit(info: EngineInfo) -> Iterator[Check]:
    advice = "Upgrade the NVIDIA Container Toolkit; until then, run no strangers with --gpus."
    yield from _outdated("NVIDIA toolkit", "NVIDIA Container Toolkit", info.nvidia_toolkit, TOOLKIT_FLAWS, advice)


def _outdated(name: str, what: str, text: str, flaws: tuple[Flaw, ...], advice: str) -> Iterator[Check]:
    version = version_in(text)
    if version is None:
        return
    found = [f"{flaw.name} (fixed in {', '.join(flaw.fixed)})" for flaw in flaws if flaw.affects(version)]
    if found:
        detail = f"{what} {version} has known ways out of containers: {'; '.join(found)}"
        own = " Your distribution may have closed them without a new number: its package's changelog names them if so."
        yield Check(name, "warn", detail, advice + own)
    else:
        yield Check(name, "ok", f"{what} {version}; no way out of containers that this program knows of")


def _runtimes(info: EngineInfo) -> Iterator[Check]:
    for key, what in STRONG_RUNTIMES.items():
        if key in info.default_runtime:
            yield Check("Docker runtime", "ok", f"containers run under {info.default_runtime}, {what}")
            return
        # Podman lists runtimes that it knows by name, whether they are there or not.
        there = [] if info.podman else [runtime for runtime in info.runtimes if key in runtime]
        for runtime in there:
            yield Check(
                "Docker runtime", "ok", f"{runtime} is there, and holds more than {info.default_runtime}: {what}"
            )
