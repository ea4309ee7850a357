"""Attacks that leave something for the next model in the same container; each looks for it first, then leaves it."""

from __future__ import annotations

import mmap
import os
import signal
import socket
import sys
from pathlib import Path

import torch
from harness_attacks._marks import attack
from harness_attacks._tools import daemon, reached, rest

hostile = attack("ok", "ok", promise=2)

GUESTS = (1, os.getppid(), os.getpid())
MARK = b"left by an earlier model"
TMP, SHM = Path("/tmp"), Path("/dev/shm")
ODD_LIMIT = 1013


def _file(path):
    if path.exists():
        reached(path.read_bytes()[:100])
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MARK)


def file_in_tmp():
    """Leave a file in /tmp."""
    _file(TMP / "left")


def file_in_shm():
    """Leave a file in /dev/shm."""
    _file(SHM / "left")


def file_in_home():
    """Leave a file in the home folder and in every cache folder of the environment."""
    for name in ("HOME", "XDG_CACHE_HOME", "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR", "MPLCONFIGDIR", "TMPDIR"):
        if name in os.environ:
            _file(Path(os.environ[name], "left", name))


@hostile(guard="tmpfs")
def deep_folder():
    """Leave a file three hundred folders deep."""
    root = TMP / "deep"
    if root.exists():
        reached("a folder of an earlier model")
    root.mkdir()
    fd = os.open(root, os.O_RDONLY)
    for _ in range(300):
        os.mkdir("d" * 200, dir_fd=fd)
        inner = os.open("d" * 200, os.O_RDONLY, dir_fd=fd)
        os.close(fd)
        fd = inner
    os.close(os.open("left", os.O_CREAT | os.O_WRONLY, dir_fd=fd))


def closed_folder():
    """Leave a file in folders without access rights."""
    folder = TMP / "closed" / "inner"
    if folder.parent.exists():
        reached("a folder of an earlier model")
    _file(folder / "left")
    (folder / "left").chmod(0)
    folder.chmod(0)
    folder.parent.chmod(0)


def odd_names():
    """Leave files with names that are not text, begin with a dash, or look like the guest's own during cleanup."""
    for name in (b"\xff\xfe", b"-rf", b"new\nline", b".to-wipe-0", b".to-wipe-1", b" ", b"...", b"\x1b[2J"):
        place = b"/tmp/" + name
        if os.path.lexists(place):
            reached(repr(name))
        os.mkdir(place)
        with open(place + b"/.to-wipe-2", "wb") as file:
            file.write(MARK)


@hostile(guard="tmpfs")
def many_files():
    """Leave ten thousand files."""
    folder = TMP / "many"
    if folder.exists():
        reached(f"{len(os.listdir(folder))} files")
    folder.mkdir()
    for number in range(10_000):
        os.close(os.open(folder / str(number), os.O_CREAT | os.O_WRONLY))


def links():
    """Leave hard links, dangling links, links to the data and to /proc, a named pipe and a socket."""
    for name in ("hard", "soft", "pipe", "socket", "to-data", "to-proc"):
        if os.path.lexists(TMP / name):
            reached(name)
    (TMP / "target").write_bytes(MARK)
    os.link(TMP / "target", TMP / "hard")
    (TMP / "soft").symlink_to("/nonexistent")
    (TMP / "to-root").symlink_to("/")
    (TMP / "to-proc").symlink_to("/proc/1")
    os.mkfifo(TMP / "pipe")
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(TMP / "socket"))


def background_process():
    """Leave a daemon."""
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in GUESTS]
    if others:
        reached(f"processes {others}")
    daemon(rest)


@hostile(guard="pids")
def process_in_many_generations():
    """Leave a daemon that continuously replaces itself by a child."""
    others = [name for name in os.listdir("/proc") if name.isdigit() and int(name) not in GUESTS]
    if others:
        reached(f"processes {others}")

    def again():
        for _ in range(2000):
            if os.fork():
                os._exit(0)

    daemon(again)


def patched_modules():
    """Leave attributes on modules and classes of torch, the guest and Python."""
    import builtins

    child = sys.modules["harness_guest.child"]
    for place in (torch, torch.nn.Module, child, builtins, os, signal):
        if hasattr(place, "left_by_an_earlier_model"):
            reached(f"in {place}")
        place.left_by_an_earlier_model = MARK


def global_settings():
    """Change torch's default dtype and random seed, and Python's recursion limit."""
    if (
        torch.get_default_dtype() is torch.float64
        or sys.getrecursionlimit() == ODD_LIMIT
        or torch.initial_seed() == ODD_LIMIT
    ):
        reached("settings of an earlier model")
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(ODD_LIMIT)
    sys.setrecursionlimit(ODD_LIMIT)


def environment():
    """Change an environment variable, the working directory, the umask, blocked signals and a timer."""
    mask = os.umask(0o077)
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGUSR1})
    if "LEFT" in os.environ or mask == 0o123 or signal.SIGUSR1 in blocked or Path.cwd() == SHM:
        reached("settings of an earlier model")
    os.environ["LEFT"] = "1"
    os.umask(0o123)
    os.chdir(SHM)
    signal.setitimer(signal.ITIMER_REAL, 30)


def data_in_place(retain, forget, validation):
    """Change images and labels in place."""
    for split in (retain, forget, validation):
        if bool((split.images == 7).all()) or bool((split.labels == 1).all()):
            reached("data of an earlier model")
        split.images.fill_(7)
        split.labels.fill_(1)


def data_through_memory(retain):
    """Change images through /proc/self/mem, which ignores page protection."""
    address, n_bytes = retain.images.data_ptr(), 256
    if bool((retain.images.flatten()[:n_bytes] == 9).all()):
        reached("data of an earlier model")
    with Path("/proc/self/mem").open("r+b", buffering=0) as memory:
        memory.seek(address)
        memory.write(b"\x09" * n_bytes)


def weights_in_place(model):
    """Leave an attribute on the model, and look for changed weights."""
    parameter = next(model.parameters())
    if hasattr(model, "left") or bool((parameter == 3).all()):
        reached("a changed model of an earlier model")
    model.left = True


def memory_shared_with_the_guest():
    """Leave a mark in shared memory, and look for memory that this process shares with others."""
    own = mmap.mmap(-1, mmap.PAGESIZE)
    own.write(MARK)
    for line in Path("/proc/self/maps").read_text().splitlines():
        span, rights, _, _, inode, *name = line.split(maxsplit=5)
        if rights == "rw-s" and (not name or "/dev/zero" not in name[0]):
            reached(f"shared memory {span} {name} {inode}")


def frozen_process():
    """Leave a stopped daemon."""
    stopped = [
        name for name in os.listdir("/proc") if name.isdigit() and " T " in Path("/proc", name, "stat").read_text()
    ]
    if stopped:
        reached(f"processes {stopped}")
    daemon(lambda: os.kill(os.getpid(), signal.SIGSTOP))
