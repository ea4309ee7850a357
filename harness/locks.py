"""Locks on files, which the kernel ends with the process that holds them, however it ends.

flock(2) itself, without a library: on a file system without locks a library may fall back to a lock that outlives its holder.
"""

from __future__ import annotations

import errno
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

UNSUPPORTED = frozenset({errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, errno.EINVAL})
NOT_OURS = frozenset({errno.EACCES, errno.EROFS, errno.EPERM})


class HeldError(Exception):
    """Another process holds the lock."""


class NoLocksError(OSError):
    """The file system has no locks; the text says where."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold the lock of a file, which is made where it is not there and stays.

    Args:
        path: of the file; its folder must be there.
        wait: until another process lets go of it.

    Raises:
        HeldError: another holds it, and it is not waited for.
        NoLocksError: the file system has no locks.
        OSError: the file cannot be made or opened.
    """
    descriptor = _opened(path)
    try:
        _lock(descriptor, path, wait)
        yield
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    """Open a lock's file, for reading alone if it belongs to another user: its lock is the same."""
    try:
        return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
    except OSError as error:
        if error.errno not in NOT_OURS or not path.exists():
            raise
        return os.open(path, os.O_RDONLY | os.O_CLOEXEC)


def _lock(descriptor: int, path: Path, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise HeldError(str(path)) from None
    except OSError as error:
        if error.errno not in UNSUPPORTED:
            raise
        raise NoLocksError(error.errno, f"the file system of {path.parent} has no locks ({error.strerror})") from None
