"""Which GPUs a container is to get, and by which way the engine hands them out."""

from __future__ import annotations

import re
from pathlib import Path

from harness.errors import GpuUnavailableError, UsageError
from harness.runners.engine_types import EngineInfo, GpuRequest

CDI_KIND = "nvidia.com/gpu"
UUID = re.compile(r"(GPU|MIG)-[0-9a-fA-F-]+")


def gpu_request(text: str, info: EngineInfo) -> GpuRequest | None:
    """The request for ``none``, ``all``, a count N, or ``UUID,…``; None for none.

    Device specifications (CDI) are taken where the engine has some for NVIDIA, the nvidia driver otherwise.

    Raises:
        UsageError: none of these forms.
        GpuUnavailableError: the engine has no way to hand out GPUs.
    """
    count, uuids = parse_gpus(text)
    if count == 0:
        return None
    if not _has_cdi(info):
        if not any("nvidia" in runtime for runtime in info.runtimes) and not Path("/dev/nvidiactl").exists():
            raise GpuUnavailableError(
                f"--gpus {text}: the Docker engine {info.version} has no NVIDIA runtime and no device specifications. "
                "Install the NVIDIA Container Toolkit, run `sudo nvidia-ctk runtime configure --runtime=docker`, restart "
                "Docker; or use `--gpus none`"
            )
        return GpuRequest("nvidia", count=None if uuids else count, ids=uuids)
    names = uuids or (("all",) if count == -1 else tuple(str(index) for index in range(count)))
    return GpuRequest("cdi", ids=tuple(f"{CDI_KIND}={name}" for name in names))


def parse_gpus(text: str) -> tuple[int, tuple[str, ...]]:
    """Count (-1 for all, 0 for none or where UUIDs are named, which then makes it their number) and UUIDs.

    Raises:
        UsageError: not ``none``, ``all``, a number or UUIDs.
    """
    if text in ("none", "0", ""):
        return 0, ()
    if text == "all":
        return -1, ()
    if re.fullmatch(r"[0-9]{1,4}", text):
        return int(text), ()
    uuids = tuple(part.strip() for part in text.split(","))
    if not all(UUID.fullmatch(uuid) for uuid in uuids):
        raise UsageError(f"--gpus {text}: give none, all, a number of GPUs, or UUIDs as `nvidia-smi -L` lists them")
    return len(uuids), uuids


def _has_cdi(info: EngineInfo) -> bool:
    """The engine has device specifications for NVIDIA: it says so itself, or a file in one of its folders does."""
    if info.cdi_devices:
        return any(device.startswith(f"{CDI_KIND}=") for device in info.cdi_devices)
    return any(_mentions_nvidia(path) for folder in info.cdi_dirs for path in sorted(Path(folder).glob("*.*")))


def _mentions_nvidia(path: Path) -> bool:
    try:
        return path.suffix in {".yaml", ".yml", ".json"} and CDI_KIND in path.read_text(errors="replace")
    except OSError:
        return False
