"""Attacks that raise exceptions that are hard to report."""

from __future__ import annotations

import builtins
import os
import sys

from harness_attacks._marks import attack

hostile = attack("plugin_error", promise=5)

ESCAPES = "\x1b[2J\x1b]0;owned\x07\r\u202e<script>alert(1)</script>\ud800\x00"


def raises():
    """Raise an exception."""
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


def _raises(kind):
    def hook():
        raise kind

    return hook


raises_without_text = hostile(_raises(_Unspeakable), "Raise an exception that raises in `__str__`.")
raises_and_leaves = hostile(_raises(_Leaving), "Raise an exception that exits in `__str__`.")
raises_without_problem = hostile(_raises(_Lying), "Raise an exception with an attribute that raises KeyboardInterrupt.")
raises_with_a_list = hostile(
    _raises(_Listing), "Raise an exception with a list instead of a name as its kind of problem."
)
raises_without_name = hostile(_raises(_Nameless), "Raise an exception of a class without a name.")


def raises_at_length():
    """Raise an exception with a name and a text of 10 MB."""
    raise type("A" * 10_000_000, (Exception,), {})("B" * 10_000_000)


def raises_escapes():
    """Raise an exception with control characters, a script and lone surrogates in name and text."""
    raise type("Bad" + ESCAPES.replace("\x00", ""), (Exception,), {})(ESCAPES)


def raises_in_a_chain():
    """Raise an exception with a chain of a thousand causes."""
    error = ValueError("first")
    for number in range(1000):
        later = ValueError(f"number {number}")
        later.__cause__ = error
        error = later
    raise error


def raises_a_group():
    """Raise nested exception groups."""
    kind = getattr(builtins, "ExceptionGroup", ValueError)  # since Python 3.11
    group = ValueError("inner")
    for _ in range(200):
        group = kind("outer", [group, ValueError("beside")])
    raise group
