"""Attacks that leave a kernel object for the next model; each looks for it first, then creates it."""

from __future__ import annotations

import ctypes
import fcntl
import os
import socket
from pathlib import Path

from harness_attacks._inside import KEPT, keep_files
from harness_attacks._kernel import LIBC, call
from harness_attacks._marks import attack
from harness_attacks._tools import daemon, reached, rest

hostile = attack("ok", "ok", promise=2)

KEY = 0x48415354
IPC_CREAT = 0o1000


_import_locked_file = keep_files


def locked_file():
    """Leave a lock on the data file, held by a daemon."""
    with Path(f"/proc/self/fd/{KEPT[0]}").open("rb") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            reached("the data file is locked")
        daemon(rest)


def message_queue():
    """Leave a POSIX message queue."""
    queue = LIBC.mq_open(b"/harness-attack", os.O_RDWR)
    if queue >= 0:
        reached("a message queue of an earlier model")
    LIBC.mq_open(b"/harness-attack", os.O_CREAT | os.O_RDWR, 0o600, None)


def _system_v(name, *size):
    """Return a hook that looks for an object of System V, then creates it."""

    def hook():
        if call(name, KEY, *size, 0)[0] >= 0:
            reached("an object of an earlier model")
        call(name, KEY, *size, IPC_CREAT | 0o600)

    return hook


shared_memory = hostile(_system_v("shmget", 4096), "Leave a System V shared memory segment.")
semaphore = hostile(_system_v("semget", 1), "Leave a System V semaphore.")
ipc_queue = hostile(_system_v("msgget"), "Leave a System V message queue.")


def shared_memory_in_use():
    """Leave a System V shared memory segment, held by a daemon."""
    if Path("/proc/sysvipc/shm").read_text().count("\n") > 1:
        reached("a shared memory segment of an earlier model")
    identity, _ = call("shmget", KEY + 1, 4096, IPC_CREAT | 0o600)

    def hold():
        call("shmat", identity, None, 0)
        rest()

    daemon(hold)


def abstract_socket():
    """Leave a daemon that listens on an abstract socket."""
    with socket.socket(socket.AF_UNIX) as client:
        if client.connect_ex("\0harness-attack") == 0:
            reached("a listening process of an earlier model")

    def listen():
        server = socket.socket(socket.AF_UNIX)
        server.bind("\0harness-attack")
        server.listen()
        rest()

    daemon(listen)


def tcp_listener():
    """Leave a daemon that listens on a loopback port."""
    with socket.socket() as client:
        if client.connect_ex(("127.0.0.1", 20_202)) == 0:
            reached("a listening process of an earlier model")

    def listen():
        server = socket.create_server(("127.0.0.1", 20_202))
        server.accept()
        rest()

    daemon(listen)


def keyring():
    """Leave a key in the user keyring, which all containers of one user share."""
    found = call("keyctl", 10, -4, ctypes.c_char_p(b"user"), ctypes.c_char_p(b"harness-attack"), 0)
    if found[1] == 0:
        reached("a key of an earlier model")
    call("add_key", ctypes.c_char_p(b"user"), ctypes.c_char_p(b"harness-attack"), ctypes.c_char_p(b"left"), 4, -4)


def terminal():
    """Leave a pseudo-terminal, held open by a daemon."""
    if [name for name in os.listdir("/dev/pts") if name.isdigit()]:
        reached("a terminal of an earlier model")
    os.openpty()
    daemon(rest)
