"""Hostile unlearners that test the sandbox of an installation; they run only in containers.

The host packs these files into a wheel as the package ``harness_attacks`` and never imports them. A model's seed selects its
attack: it is the index of a target in ``harness_attacks._targets``, which the host writes into the wheel.
"""

from __future__ import annotations

import importlib

import pluggy

hookimpl = pluggy.HookimplMarker("harness")


def _target(seed):
    """Import the module of the target that the seed selects; return it and the name of the function."""
    from harness_attacks._targets import TARGETS

    module, _, name = TARGETS[seed].partition(":")
    return importlib.import_module(f"harness_attacks.{module}"), name


def _at_import():
    """Call the function _import_NAME of a target that has one, before the clock runs."""
    from harness_attacks._inside import job

    module, name = _target(job().seed)
    getattr(module, f"_import_{name}", lambda: None)()


@hookimpl
def unlearn(model, retain, forget, validation, context):
    """Call the function of the target that the seed selects, with the hook arguments that it declares."""
    module, name = _target(context.seed)
    function = getattr(module, name)
    given = {"model": model, "retain": retain, "forget": forget, "validation": validation, "context": context}
    code = function.__code__
    return function(**{name: given[name] for name in code.co_varnames[: code.co_argcount]})


_at_import()
