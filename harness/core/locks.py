"""File locks that the kernel releases when their process ends, for whatever reason.

They use flock(2) directly: on a file system without locks, a library may fall back to a lock that outlives its process.
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
    """The file system does not support locks; the message names the folder."""


@contextmanager
def locked(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Hold an exclusive lock on a file within a ``with`` block; create the file if needed and keep it.

    Args:
        path: the lock file; its folder must exist.
        wait: block until another process releases the lock.

    Raises:
        HeldError: another process holds the lock, and ``wait`` is False.
        NoLocksError: the file system does not support locks.
        OSError: the file cannot be created or opened.
    """
    descriptor = _opened(path)
    try:
        _lock(descriptor, path, wait)
        yield
    finally:
        os.close(descriptor)


def is_held(path: Path) -> bool:
    """Return True if another process holds the lock on a file; False if it is free, missing, unreadable or without locks."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError as error:
        return isinstance(error, BlockingIOError)
    finally:
        os.close(descriptor)
    return False


def _opened(path: Path) -> int:
    """Open a lock file, read-only if it belongs to another user: flock(2) works on either."""
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
