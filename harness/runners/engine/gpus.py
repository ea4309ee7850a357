"""Parsing of ``--gpus`` and the choice of the mechanism by which the engine passes GPUs to a container."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import GpuUnavailableError, UsageError
from harness.runners.engine.types import EngineInfo, GpuRequest

CDI_KIND = "nvidia.com/gpu"
UUID = re.compile(r"(GPU|MIG)-[0-9a-fA-F-]+")


def gpu_request(text: str, info: EngineInfo) -> GpuRequest | None:
    """Return the engine's GPU request for ``none``, ``all``, a count N, or ``UUID,…``; None for ``none``.

    Use CDI device specifications if the engine has any for NVIDIA, else the nvidia driver.

    Raises:
        UsageError: if ``text`` has none of these forms.
        GpuUnavailableError: if the engine cannot pass GPUs to containers.
    """
    count, uuids = parse_gpus(text)
    if count == 0:
        return None
    if not _has_cdi(info):
        if not any("nvidia" in runtime for runtime in info.runtimes) and not Path("/dev/nvidiactl").exists():
            raise GpuUnavailableError(
                f"--gpus {text}: the Docker engine {info.version} has no NVIDIA runtime and no CDI device specifications. "
                "Install the NVIDIA Container Toolkit, run `sudo nvidia-ctk runtime configure --runtime=docker`, restart "
                "Docker; or use `--gpus none`"
            )
        return GpuRequest("nvidia", count=None if uuids else count, ids=uuids)
    names = uuids or (("all",) if count == -1 else tuple(str(index) for index in range(count)))
    return GpuRequest("cdi", ids=tuple(f"{CDI_KIND}={name}" for name in names))


def parse_gpus(text: str) -> tuple[int, tuple[str, ...]]:
    """Return the GPU count (-1 for all, 0 for none, else N or the number of UUIDs) and the UUIDs (empty unless given).

    Raises:
        UsageError: if ``text`` is not ``none``, ``all``, a number or a list of UUIDs.
    """
    if text in ("none", "0", ""):
        return 0, ()
    if text == "all":
        return -1, ()
    if re.fullmatch(r"[0-9]{1,4}", text):
        return int(text), ()
    uuids = tuple(part.strip() for part in text.split(","))
    if not all(UUID.fullmatch(uuid) for uuid in uuids):
        raise UsageError(f"--gpus {text}: pass none, all, a number of GPUs, or UUIDs as listed by `nvidia-smi -L`")
    return len(uuids), uuids


def _has_cdi(info: EngineInfo) -> bool:
    """Return True if CDI specifications for NVIDIA exist, according to the engine or to a file in one of its CDI folders."""
    if info.cdi_devices:
        return any(device.startswith(f"{CDI_KIND}=") for device in info.cdi_devices)
    return any(_mentions_nvidia(path) for folder in info.cdi_dirs for path in sorted(Path(folder).glob("*.*")))


def _mentions_nvidia(path: Path) -> bool:
    try:
        return path.suffix in {".yaml", ".yml", ".json"} and CDI_KIND in path.read_text(errors="replace")
    except OSError:
        return False
