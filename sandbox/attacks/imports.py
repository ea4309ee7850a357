"""Attacks at import: plugins that look for model and data before the clock runs."""

from __future__ import annotations

import gc
import os
import signal
import time
from pathlib import Path

import torch
from harness_attacks._inside import KEPT, keep_files
from harness_attacks._marks import attack
from harness_attacks._tools import CHILD_S, reached

hostile = attack("ok", promise=2)

NEEDLE = 64
CHUNK_BYTES = 1 << 24
HARMLESS = ("pipe", "socket", "/dev/null", "/dev/urandom")
FOUND = []
IMAGE = []
"""Process id of a copy of this process made at import, to be searched later, when its targets are known."""


def _import_memory_at_import():
    """Look at open files and tensors, and keep an image of all memory."""
    for name in os.listdir("/proc/self/fd"):
        try:
            place = os.readlink(f"/proc/self/fd/{name}").partition(":")[0]
        except OSError:
            continue  # the listing's own
        if int(name) > 2 and place not in HARMLESS:
            FOUND.append(f"descriptor {name}: {place}")
    for thing in gc.get_objects():
        if type(thing) is torch.Tensor and thing.dtype is torch.uint8:
            FOUND.append(f"a tensor of pictures of shape {tuple(thing.shape)}")
    pid = os.fork()
    if pid == 0:
        time.sleep(CHILD_S)
        os._exit(0)
    IMAGE.append(pid)


def memory_at_import(model, retain):
    """Look for model and data, while it is imported, in its memory and among its descriptors."""
    for thing in FOUND:
        reached(thing)
    layer = max(model.parameters(), key=torch.Tensor.nelement)
    needles = {"pictures": retain.images, "weights": layer.detach()}
    needles = {name: tensor.cpu().numpy().tobytes()[:NEEDLE] for name, tensor in needles.items()}
    seen = _found_in("self", needles)
    if seen != set(needles):
        raise RuntimeError(f"the search finds only {seen} in this very process")
    for name in _found_in(IMAGE[0], needles):
        reached(f"{name} in the memory of the import")
    os.kill(IMAGE[0], signal.SIGKILL)
    os.waitpid(IMAGE[0], 0)


def _found_in(process, needles):
    found = set()
    with Path(f"/proc/{process}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{process}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            low, high = (int(number, 16) for number in span.split("-"))
            for place in range(low, high, CHUNK_BYTES) if rights.startswith("rw") else ():
                try:
                    memory.seek(place)
                    chunk = memory.read(min(CHUNK_BYTES, high - place))
                except (OSError, ValueError, OverflowError):
                    continue
                found |= {name for name, needle in needles.items() if needle in chunk}
    return found


def _import_places_at_import():
    """Search every writable or mounted folder, and every other process."""
    for folder in ("/data", "/dev/shm", "/dev/mqueue", "/tmp"):
        for path in Path(folder).rglob("*"):
            if path.is_file():
                FOUND.append(f"{path} of {path.stat().st_size} bytes")
    for process in filter(str.isdigit, os.listdir("/proc")):
        if int(process) != os.getpid():
            for name in ("mem", "map_files", "fd"):
                _try(f"/proc/{process}/{name}")


def _try(path):
    try:
        if os.path.isdir(path):
            os.listdir(path)
        else:
            os.close(os.open(path, os.O_RDONLY))
    except OSError:
        return
    FOUND.append(path)


def places_at_import():
    """Look for model and data, while it is imported, in folders, shared memory and other processes."""
    for thing in FOUND:
        reached(thing)


_import_marked_data_file = keep_files


@hostile("ok", "ok")
def marked_data_file():
    """Change the data file's permissions, times and attributes, which its seals do not protect."""
    fd = KEPT[0]
    if os.fstat(fd).st_mode & 0o777 == 0o604 or _attributes(fd):
        reached("marks of an earlier model on the data file")
    os.fchmod(fd, 0o604)
    try:
        os.setxattr(fd, "user.left", b"by an earlier model")
    except OSError:
        return  # a kernel without such attributes in memory


def _attributes(fd):
    try:
        return [name for name in os.listxattr(fd) if name.startswith("user.")]
    except OSError:
        return []
