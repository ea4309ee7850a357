"""Traces in the kernel's counters, which one warm container does not close, and in the guest's memory. Each looks first."""

from __future__ import annotations

import hashlib
import os
import threading
import time
from pathlib import Path

import torch
from harness_attacks._tools import reached

N_PROCESSES = 400
BALLAST_BYTES = 300 << 20
WRITES = 64
PIECE = 128
TAG, BODY = 32, 32
CHUNK_BYTES = 1 << 24
PEAKS = ("/sys/fs/cgroup/memory/memory.max_usage_in_bytes", "/sys/fs/cgroup/memory.peak")


def next_process_number():
    """Threads that push the kernel's next process number up."""
    if os.getpid() > N_PROCESSES:
        reached(f"this is process {os.getpid()}: some have been here before")
    for _ in range(N_PROCESSES):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()


def peak_of_memory():
    """Memory that pushes the highest use of the container up."""
    for path in map(Path, PEAKS):
        if path.exists() and int(path.read_text()) > BALLAST_BYTES + (200 << 20):
            reached(f"somebody has used {path.read_text().strip()} bytes here")
    ballast = bytearray(BALLAST_BYTES)
    ballast[:: 1 << 12] = bytes(len(ballast[:: 1 << 12]))


def next_file_number():
    """Files that push the next number of a file in /tmp up."""
    path = Path("/tmp/numbered")
    path.touch()
    if path.stat().st_ino > N_PROCESSES:
        reached(f"this is file {path.stat().st_ino}: some have been here before")
    for _ in range(N_PROCESSES):
        path.unlink()
        path.touch()


def remains_in_memory(model):
    """Output and weights whose remains stand in the guest's memory, of which the next model gets a copy."""
    found = _remains()
    if found:
        reached(f"{found} pieces of what an earlier model sent, in this process's memory")
    for number in range(WRITES):
        os.write(1, b"".join(_piece() for _ in range(1 + number % 16)))
        time.sleep(0.005)  # so that the guest reads each by itself
    with torch.no_grad():
        for parameter in model.parameters():
            text = bytearray(b"".join(_piece() for _ in range(parameter.nbytes // PIECE + 1)))
            parameter.view(-1)[:] = torch.frombuffer(text, dtype=parameter.dtype)[: parameter.numel()]


def _tag():
    return hashlib.sha512(b"harness attack").hexdigest().encode()[:TAG]


def _piece():
    """A tag, a text that nobody has seen before, and its digest: 128 characters, every four of them a finite number."""
    body = os.urandom(BODY // 2).hex().encode()
    return _tag() + body + hashlib.sha256(body).hexdigest().encode()


def _remains():
    """How many whole pieces stand in this process's memory, which has not made any yet."""
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
