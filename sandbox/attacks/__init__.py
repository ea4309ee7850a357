"""Hostile unlearners that test the sandbox of an installation; they run only in containers.

The host packs these files into a wheel as the package ``harness_attacks`` and never imports them. A model's seed selects its
attack: it is the index of a target in ``harness_attacks._targets``, which the host writes into the wheel.
"""

from __future__ import annotations

import importlib

import pluggy

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(model, retain, forget, validation, context):
    """Call the function of the target that the seed selects, with the hook arguments that it declares."""
    from harness_attacks._targets import TARGETS

    module, _, name = TARGETS[context.seed].partition(":")
    function = getattr(importlib.import_module(f"harness_attacks.{module}"), name)
    given = {"model": model, "retain": retain, "forget": forget, "validation": validation, "context": context}
    code = function.__code__
    return function(**{name: given[name] for name in code.co_varnames[: code.co_argcount]})
