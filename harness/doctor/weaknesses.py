"""Known weaknesses and strengths of a Docker engine, from the information that it reports.

A version shows which vulnerabilities upstream has fixed. A distribution may have backported a fix to an older version, which only
its changelog shows, so a version alone is never more than a warning. Sources of the versions: the CVE records and runc's
changelog; for io_uring, Docker's change of its default seccomp filter in 25.0.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from packaging.version import Version

from harness.doctor.checks import Check, CheckStatus
from harness.runners.engine.types import EngineInfo

NUMBER = re.compile(r"(\d+\.\d+(?:\.\d+)?)(?:[-~.]?(rc|alpha|beta)\.?(\d+))?")
STRONG_RUNTIMES = {
    "runsc": "gVisor: a separate kernel in user space handles system calls",
    "kata": "Kata Containers: every container is a virtual machine with its own kernel",
}
NO_IO_URING = Version("25.0")
OWN_PROFILES = ("default", "builtin")  # Docker's own; a path is a profile of the administrator
HYBRID = Path("/sys/fs/cgroup/unified")
"""Where systemd mounts version 2 of control groups beside version 1."""
NEEDED_LIMITS = frozenset({"memory", "processes", "CPU"})


class Flaw(NamedTuple):
    """A known container escape.

    Attributes:
        name: its CVE numbers.
        fixed: the first fixed version of each affected release line; later release lines are not affected.
    """

    name: str
    fixed: tuple[str, ...]

    def affects(self, version: Version) -> bool:
        """Return True if the upstream release of this version is affected."""
        fixed = [Version(text) for text in self.fixed]
        own_line = [fix for fix in fixed if fix.release[:2] == version.release[:2]]
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
    """Check how well this engine isolates containers; "fail" only if resource limits are not enforced."""
    yield from _cgroups(info)
    yield from _limits(info)
    yield from _root(info)
    yield from _filter(info)
    yield from _confinement(info)
    yield from _crun(info)
    yield from _runc(info)
    yield from _toolkit(info)
    yield from _runtimes(info)


def version_in(text: str) -> Version | None:
    """Return the first version number in ``text``, without a distribution's suffix; None if there is none."""
    found = NUMBER.search(text)
    if found is None:
        return None
    number, stage, count = found.groups()
    return Version(number if stage is None else f"{number}{stage}{count}")


def _cgroups(info: EngineInfo) -> Iterator[Check]:
    if info.cgroup_version == "1":
        detail = "cgroup v1: swap is limited only if the kernel accounts for it, and containers see their cgroup's path"
        yield Check("Docker cgroups", "warn", detail, "Use a system with cgroup v2 (any current distribution).")


def _limits(info: EngineInfo) -> Iterator[Check]:
    if info.rootless and info.cgroup_version == "1":
        detail = "rootless on cgroup v1: limits on memory, processes and CPU are not enforced"
        yield Check("Docker limits", "fail", detail, "Use cgroup v2 with delegation, or an engine run by root.")
    elif info.missing_limits:
        status: CheckStatus = "fail" if NEEDED_LIMITS.intersection(info.missing_limits) else "warn"
        detail = f"the engine reports that it cannot limit {', '.join(info.missing_limits)}"
        advice = "Enable them in the kernel; for a rootless engine, delegate them to its user (systemd: Delegate=yes)."
        yield Check("Docker limits", status, detail, advice)


def _root(info: EngineInfo) -> Iterator[Check]:
    if info.rootless:
        yield Check(
            "Docker rights", "ok", "rootless: after a container escape, an attacker has the rights of an ordinary user"
        )
    elif info.remaps_users:
        yield Check("Docker rights", "ok", "user ids are remapped: root in a container has no rights on this machine")
    else:
        detail = (
            "the engine runs as root and does not remap user ids: root in a container would be root on this machine"
        )
        advice = (
            "Plugins run as user 10001 and cannot become root. For defence in depth, use a rootless engine, or set "
            "`userns-remap` in the engine's configuration."
        )
        yield Check("Docker rights", "warn", detail, advice)


def _filter(info: EngineInfo) -> Iterator[Check]:
    if "seccomp" not in info.security_options or info.seccomp_profile == "unconfined":
        detail = "no seccomp filter: a plugin may use every system call of the kernel"
        advice = "Use an engine and a kernel with seccomp before running third-party plugins."
        yield Check("Docker seccomp", "warn", detail, advice)
        return
    version = version_in(info.version)
    if info.podman:
        detail = (
            "Podman's default filter allows user namespaces and the kernel's keyrings, which Docker's refuses: "
            "the attack surface of the kernel is larger"
        )
        advice = (
            "Use Docker, or set a stricter `seccomp_profile` in containers.conf, before running third-party plugins."
        )
        yield Check("Docker seccomp", "warn", detail, advice)
    elif info.seccomp_profile in OWN_PROFILES and version is not None and version < NO_IO_URING:
        detail = (
            f"the default filter of engine {info.version} allows io_uring, which has had container escapes; "
            "25.0 and newer refuse it"
        )
        advice = (
            "Upgrade the engine, or disable io_uring: `sudo sysctl kernel.io_uring_disabled=2` (Linux 6.6 or newer)."
        )
        yield Check("Docker seccomp", "warn", detail, advice)


def _confinement(info: EngineInfo) -> Iterator[Check]:
    if not {"apparmor", "selinux"}.intersection(info.security_options):
        detail = "neither AppArmor nor SELinux confines containers"
        advice = "Enable the one that your distribution supports, and restart the engine."
        yield Check("Docker confinement", "warn", detail, advice)


def _crun(info: EngineInfo) -> Iterator[Check]:
    if info.podman and info.default_runtime == "crun" and info.cgroup_version == "1" and HYBRID.is_dir():
        detail = "crun starts no container on a machine that mounts both versions of control groups"
        advice = 'Install runc, and set `runtime = "runc"` under [engine] in /etc/containers/containers.conf.'
        yield Check("Docker runtime", "fail", detail, advice)


def _runc(info: EngineInfo) -> Iterator[Check]:
    text = next((version for name, version in info.components.items() if "runc" in name.lower()), "")
    yield from _outdated("runc", "runc", text, RUNC_FLAWS, "Upgrade runc (part of Docker's packages).")


def _toolkit(info: EngineInfo) -> Iterator[Check]:
    advice = "Upgrade the NVIDIA Container Toolkit; until then, do not run third-party plugins with --gpus."
    yield from _outdated("NVIDIA toolkit", "NVIDIA Container Toolkit", info.nvidia_toolkit, TOOLKIT_FLAWS, advice)


def _outdated(name: str, what: str, text: str, flaws: tuple[Flaw, ...], advice: str) -> Iterator[Check]:
    version = version_in(text)
    if version is None:
        return
    found = [f"{flaw.name} (fixed in {', '.join(flaw.fixed)})" for flaw in flaws if flaw.affects(version)]
    if found:
        detail = f"{what} {version} has known container escapes: {'; '.join(found)}"
        backports = " Your distribution may have backported the fixes: its package's changelog then names the CVEs."
        yield Check(name, "warn", detail, advice + backports)
    else:
        yield Check(name, "ok", f"{what} {version}; no known container escape")


def _runtimes(info: EngineInfo) -> Iterator[Check]:
    for key, what in STRONG_RUNTIMES.items():
        if key in info.default_runtime:
            yield Check("Docker runtime", "ok", f"containers run under {info.default_runtime}, {what}")
            return
        # Podman lists runtimes that it supports, whether they are installed or not.
        installed = [] if info.podman else [runtime for runtime in info.runtimes if key in runtime]
        for runtime in installed:
            yield Check(
                "Docker runtime",
                "ok",
                f"{runtime} is installed; it isolates better than {info.default_runtime}: {what}",
            )
