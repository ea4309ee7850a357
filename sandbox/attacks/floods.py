"""Attacks on the limits of scratch space and output; every attack ends even if a limit is not enforced."""

from __future__ import annotations

import errno
import mmap
import os
import sys

from harness_attacks import _tools
from harness_attacks._marks import attack

hostile = attack("ok", promise=1)

MIB = 1 << 20
OUTPUT_BYTES = 1_000_000_000
LINE_BYTES = 200_000_000
PROT = mmap.PROT_READ | mmap.PROT_WRITE


def _swallow_full(folder):
    try:
        _fill(folder)
    except OSError as error:
        if error.errno != errno.ENOSPC:
            raise


def _fill(folder):
    size_mib = _tools.required(_tools.folder_mib(folder), folder)
    with open(f"{folder}/full", "wb", buffering=0) as file:
        for _ in range(2 * size_mib):
            if file.write(b"x" * MIB) < MIB:
                file.write(b"x")
    _tools.reached(f"twice the size of {folder}")


fills_tmp = hostile(
    lambda: _fill("/tmp"), "Fill /tmp to the last byte and propagate the error.", "disk_full", guard="tmpfs"
)
fills_tmp_and_swallows = hostile(lambda: _swallow_full("/tmp"), "Fill /tmp to the last byte and return.", guard="tmpfs")
fills_shm = hostile(
    lambda: _fill("/dev/shm"), "Fill /dev/shm to the last byte and propagate the error.", "disk_full", guard="shm"
)


@hostile("killed_signal", guard="shm")
def maps_beyond_shm():
    """Write to a memory-mapped file that is larger than /dev/shm."""
    size = 2 * MIB * _tools.required(_tools.folder_mib("/dev/shm"), "/dev/shm")
    with open("/dev/shm/mapped", "w+b") as file:
        file.truncate(size)
        with mmap.mmap(file.fileno(), size, prot=PROT) as memory:
            for start in range(0, size, mmap.PAGESIZE):
                memory[start] = 1
    _tools.reached("twice the size of /dev/shm through a mapping")


@hostile(promise=6, guard="tmpfs")
def makes_many_files():
    """Fill /tmp with 30,000 empty files and a few with unusual names."""
    folder = os.open("/tmp", os.O_RDONLY)
    for number in range(30_000):
        os.mknod(f"{number}", dir_fd=folder)
    for name in (b"\n", b"\xff\xfe", b"-rf", b"a" * 255, b"\x1b[31m"):
        os.mknod(b"/tmp/" + name)
    os.symlink("/", "/tmp/root")
    os.mkfifo("/tmp/fifo")


@hostile(promise=6, guard="tmpfs")
def nests_folders():
    """Nest folders deeper than the maximum path length, and remove their access rights."""
    os.chdir("/tmp")
    for _ in range(3000):
        os.mkdir("deeper")
        os.chdir("deeper")
    for _ in range(3000):
        os.chdir("..")
        os.chmod("deeper", 0)


@hostile(prints_bytes=1000000000)
def prints_a_gigabyte():
    """Print 1 GB in lines of 1,000 bytes, and return."""
    piece = (b"x" * 999 + b"\n") * 1000
    _write_all(piece * (OUTPUT_BYTES // len(piece) // 100), 100)


@hostile(prints_bytes=200000000)
def prints_one_line():
    """Print one line of 200 MB, and return."""
    _write_all(b"y" * (LINE_BYTES // 20), 20)


def _write_all(piece, times):
    for _ in range(times):
        view = memoryview(piece)
        while view:
            view = view[os.write(1, view) :]


def prints_noise():
    """Print all byte values, then half a megabyte of random bytes."""
    os.write(1, bytes(range(256)))
    _write_all(os.urandom(MIB // 2), 1)


def prints_escapes():
    """Print escapes that move the cursor, set title and clipboard, and hide or reverse text."""
    print("\x1b[2J\x1b[H\x1b]0;owned\x07\x1b]52;c;b3duZWQ=\x07\x1b[8mhidden\x1b[0m\x9b31m\r\b\b\x00\x7f")
    print("\u202egnp.exe\u202c \u2066\u200b\u200f\ufeff \U000e0041 \ud800")
    sys.stderr.write("\x1bP+q544e\x1b\\ \x1b[?1049h \x1b[6n")


@hostile("plugin_error", promise=5)
def long_error():
    """Raise an exception with a text of 40 MB of escapes."""
    raise ValueError("\x1b[31m\u202e" * 5_000_000)
