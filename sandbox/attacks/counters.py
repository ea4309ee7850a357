"""Attacks that leave traces in the kernel's counters, which a shared container does not remove, and in the guest's memory.

Each looks for a trace of an earlier model, then leaves its own.
"""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import torch
from harness_attacks._marks import attack
from harness_attacks._tools import reached

hostile = attack("ok", "ok", promise=2, defeated_by="model")

N_PROCESSES = 400
BALLAST_BYTES = 300 << 20
WRITES = 64
PIECE = 128
TAG, BODY = 32, 32
CHUNK_BYTES = 1 << 24
PEAKS = ("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory.peak")


def next_process_number():
    """Raise the kernel's next process id by starting threads."""
    if os.getpid() > N_PROCESSES:
        reached(f"process id {os.getpid()}: an earlier model has used this container")
    for _ in range(N_PROCESSES):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()


@hostile(guard="memory")
def peak_of_memory():
    """Raise the container's memory peak by allocating memory."""
    for path in map(Path, PEAKS):
        if path.exists() and int(path.read_text()) > BALLAST_BYTES + (200 << 20):
            reached(f"memory peak of {path.read_text().strip()} bytes of an earlier model")
    ballast = bytearray(BALLAST_BYTES)
    ballast[:: 1 << 12] = bytes(len(ballast[:: 1 << 12]))


def next_file_number():
    """Raise the next inode number of /tmp by creating files."""
    path = Path("/tmp/numbered")
    path.touch()
    if path.stat().st_ino > N_PROCESSES:
        reached(f"inode {path.stat().st_ino}: an earlier model has created files")
    for _ in range(N_PROCESSES):
        path.unlink()
        path.touch()


@hostile(defeated_by="run")
def remains_in_memory(model):
    """Leave output and weights in the guest's memory, of which the next model gets a copy."""
    found = _remains()
    if found:
        reached(f"{found} records sent by an earlier model in this process's memory")
    for number in range(WRITES):
        os.write(1, b"".join(_piece() for _ in range(1 + number % 16)))
        time.sleep(0.005)  # the guest then reads each write separately
    with torch.no_grad():
        for parameter in model.parameters():
            text = bytearray(b"".join(_piece() for _ in range(parameter.nbytes // PIECE + 1)))
            parameter.view(-1)[:] = torch.frombuffer(text, dtype=parameter.dtype)[: parameter.numel()]


def _tag():
    return hashlib.sha512(b"harness attack").hexdigest().encode()[:TAG]


def _piece():
    """Return a tag, a random text and its digest: 128 characters, of which every four are a finite float32."""
    body = os.urandom(BODY // 2).hex().encode()
    return _tag() + body + hashlib.sha256(body).hexdigest().encode()


def _remains():
    """Count the complete records in this process's memory, which has not created any yet."""
    tag, found = _tag(), 0
    with Path("/proc/self/mem").open("rb", buffering=0) as memory:
        for line in Path("/proc/self/maps").read_text().splitlines():
            span, rights, _, _, inode, *_ = line.split()
            if rights.startswith("rw") and inode == "0":
                low, high = (int(number, 16) for number in span.split("-"))
                for place in range(low, high, CHUNK_BYTES):
                    found += _pieces(_read(memory, place, min(CHUNK_BYTES, high - place)), tag)
    return found


def _pieces(chunk, tag):
    found, at = 0, chunk.find(tag)
    while at >= 0:
        body = chunk[at + TAG : at + TAG + BODY]
        found += chunk[at + TAG + BODY : at + PIECE] == hashlib.sha256(body).hexdigest().encode()
        at = chunk.find(tag, at + 1)
    return found


def _read(memory, place, n_bytes):
    try:
        memory.seek(place)
        return memory.read(n_bytes)
    except (OSError, ValueError, OverflowError):
        return b""
