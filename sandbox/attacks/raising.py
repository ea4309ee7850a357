"""Plugins that raise exceptions which are hard to tell of."""

from __future__ import annotations

import builtins
import os
import sys

ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\u202e<script>alert(1)</script>\ud800\x00"


def raises():
    """Raise."""
    raise ValueError("no")


class _Unspeakable(Exception):  # noqa: N818
    def __str__(self):
        raise ValueError("no text")

    __repr__ = __str__


class _Leaving(Exception):  # noqa: N818
    def __str__(self):
        sys.exit(0)


class _Lying(Exception):  # noqa: N818
    @property
    def problem(self):
        os.write(1, b"asked for its problem\n")
        raise KeyboardInterrupt


class _Listing(Exception):  # noqa: N818
    problem = ("a", {"b": []})


class _NamelessKind(type):
    @property
    def __name__(cls):
        raise ValueError("no name")


class _Nameless(Exception, metaclass=_NamelessKind):  # noqa: N818
    pass


def raises_without_text():
    """Raise an exception that raises when it is asked for its text."""
    raise _Unspeakable


def raises_and_leaves():
    """Raise an exception that ends the interpreter when it is asked for its text."""
    raise _Leaving


def raises_without_problem():
    """Raise an exception that is interrupted when it is asked for its kind of problem."""
    raise _Lying


def raises_with_a_list():
    """Raise an exception whose kind of problem is no name."""
    raise _Listing


def raises_without_name():
    """Raise an exception whose class has no name."""
    raise _Nameless


def raises_at_length():
    """Raise an exception whose text and name have 10 MB."""
    raise type("A" * 10_000_000, (Exception,), {})("B" * 10_000_000)


def raises_escapes():
    """Raise an exception whose text and name hold control characters, a script and lone surrogates."""
    raise type("Bad" + ESCAPES.replace("\x00", ""), (Exception,), {})(ESCAPES)


def raises_in_a_chain():
    """Raise an exception at the end of a chain of a thousand."""
    error = ValueError("first")
    for number in range(1000):
        later = ValueError(f"number {number}")
        later.__cause__ = error
        error = later
    raise error


def raises_a_group():
    """Raise a group of exceptions within groups."""
    kind = getattr(builtins, "ExceptionGroup", ValueError)  # since Python 3.11
    group = ValueError("inner")
    for _ in range(200):
        group = kind("outer", [group, ValueError("beside")])
    raise group
