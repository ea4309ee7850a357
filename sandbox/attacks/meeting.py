"""Plugins that leave something at a place in the kernel where the next model could meet it. Each looks first, and leaves then."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
from pathlib import Path

from harness_attacks._inside import KEPT, keep_files
from harness_attacks._kernel import LIBC, call
from harness_attacks._tools import daemon, reached, rest

KEY = 0x48415354
IPC_CREAT = 0o1000


locked_file_at_import = keep_files


def locked_file():
    """A lock on the data file, held by a process that goes on."""
    with Path(f"/proc/self/fd/{KEPT[0]}").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reached("the data file is locked")
        daemon(rest)


def message_queue():
    """A POSIX message queue."""
    queue = LIBC.mq_open(b"/harness-attack", os.O_RDWR)
    if queue >= 0:
        reached("the queue is there")
    LIBC.mq_open(b"/harness-attack", os.O_CREAT | os.O_RDWR, 0o600, None)


def shared_memory():
    """A System V shared memory segment."""
    if call("shmget", KEY, 4096, 0)[0] >= 0:
        reached("the segment is there")
    call("shmget", KEY, 4096, IPC_CREAT | 0o600)


def semaphore():
    """A System V semaphore."""
    if call("semget", KEY, 1, 0)[0] >= 0:
        reached("the semaphore is there")
    call("semget", KEY, 1, IPC_CREAT | 0o600)


def ipc_queue():
    """A System V message queue."""
    if call("msgget", KEY, 0)[0] >= 0:
        reached("the queue is there")
    call("msgget", KEY, IPC_CREAT | 0o600)


def shared_memory_in_use():
    """A System V segment that is marked for removal and held by a process that goes on."""
    if Path("/proc/sysvipc/shm").read_text().count("\n") > 1:
        reached("a segment is there")
    identity, _ = call("shmget", KEY + 1, 4096, IPC_CREAT | 0o600)

    def hold():
        call("shmat", identity, None, 0)
        rest()

    daemon(hold)


def abstract_socket():
    """A process that listens at an abstract address."""
    with socket.socket(socket.AF_UNIX) as client:
        if client.connect_ex("\0harness-attack") == 0:
            reached("somebody answers")

    def listen():
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0harness-attack")
        server.listen()
        rest()

    daemon(listen)


def tcp_listener():
    """A process that listens on loopback."""
    with socket.socket() as client:
        if client.connect_ex(("127.0.0.1", 20_202)) == 0:
            reached("somebody answers")

    def listen():
        server = socket.create_server(("127.0.0.1", 20_202))
        server.accept()
        rest()

    daemon(listen)


def keyring():
    """A key in the user's keyring, which all containers of one user share."""
    found = call("keyctl", 10, -4, ctypes.c_char_p(b"user"), ctypes.c_char_p(b"harness-attack"), 0)
    if found[1] == 0:
        reached("the key is there")
    call("add_key", ctypes.c_char_p(b"user"), ctypes.c_char_p(b"harness-attack"), ctypes.c_char_p(b"left"), 4, -4)


def terminal():
    """A terminal that a process holds open."""
    if [name for name in os.listdir("/dev/pts") if name.isdigit()]:
        reached("a terminal is there")
    os.openpty()
    daemon(rest)
