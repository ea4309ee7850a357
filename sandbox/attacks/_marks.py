"""Marks of attacks, from which the host reads its catalogue; see :mod:`harness.doctor.attacks.catalogue`."""

from __future__ import annotations


def attack(*_statuses, **_facts):
    """Return the mark of a module: all its public functions are attacks.

    The host reads the arguments from the source, as literals: the statuses with which an attack's models end, in order, and
    attributes of :class:`harness.doctor.attacks.attack.Attack`. Where an attack differs from the others of its module, the mark
    decorates it with the same arguments. What it tries is the first line of its docstring; if it is no function but a hook that
    another one made, the mark is called with the hook and that line, and then with statuses.
    """

    def mark(*arguments, **_facts):
        return arguments[0] if arguments and callable(arguments[0]) else mark

    return mark
