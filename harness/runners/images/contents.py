"""What a sandbox image contains, as a program inside it reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Annotated

from annotated_types import Len
from pydantic import TypeAdapter

from harness.core.reading import foreign
from harness.errors import SandboxError
from harness.runners.engine.client import Engine
from harness.runners.engine.oneshot import run_once
from harness.runners.engine.types import ContainerSpec
from harness.runners.images.guest import GuestImage

MEMORY_MIB = 2048
PROBE = """\
import importlib.metadata, json, platform, shutil, torch
packages = {one.metadata["Name"]: one.version for one in importlib.metadata.distributions()}
compilers = [name for name in ("cc", "gcc", "g++", "clang", "nvcc", "cmake", "ninja") if shutil.which(name)]
flags = [line.split(":")[1].split() for line in open("/proc/cpuinfo") if line.startswith(("flags", "Features"))]
print(json.dumps({
    "python": platform.python_version(),
    "packages": packages,
    "compilers": compilers,
    "cpu_flags": sorted(flags[0]) if flags else [],
    "cpu_capability": torch.backends.cpu.get_cpu_capability(),
    "cuda": torch.version.cuda or "",
    "gpu_architectures": torch._C._cuda_getArchFlags().split() if torch.version.cuda else [],
}))
"""


@dataclass(frozen=True)
class Contents:
    """Contents of an image.

    Attributes:
        python: version of Python.
        packages: name -> version of each installed distribution.
        compilers: names of the compilers and build programs found.
        cpu_flags: instruction sets of this machine's processor, as a guest sees them.
        cpu_capability: the instruction set that torch uses, e.g. "AVX512".
        cuda: version of CUDA that torch was built for; "" for a CPU build.
        gpu_architectures: GPU architectures that torch contains kernels for, e.g. "sm_90".
    """

    python: str
    packages: Annotated[dict[str, str], Len(1)]
    compilers: list[str]
    cpu_flags: list[str]
    cpu_capability: str
    cuda: str
    gpu_architectures: list[str]


def contents(engine: Engine, image: GuestImage) -> Contents:
    """Run a program in a locked-down container of the image; return what it found.

    Raises:
        SandboxError: the program failed.
    """
    spec = ContainerSpec(
        image=image.id,
        name="harness-contents",
        entrypoint=("/opt/harness/bin/python", "-I", "-c", PROBE),
        memory_mib=MEMORY_MIB,
        pids=256,
        tmpfs_mib=16,
    )
    result = run_once(engine, spec)
    if result.exit_code != 0:
        raise SandboxError(f"The contents of {image.tag} could not be listed: {result.stderr.strip()}")
    with foreign(
        f"the contents of {image.tag} could not be listed", SandboxError, "Rebuild it: harness image build --rebuild"
    ):
        return TypeAdapter(Contents).validate_python(json.loads(result.stdout))
