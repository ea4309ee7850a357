"""Hostile unlearners, by which an installation tests its own sandbox. They run in a container and nowhere else.

The host reads these files, packs them into a wheel as the package ``harness_attacks``, and never imports them. Which attack a
model gets is said by its seed: the number of a target in ``harness_attacks._targets``, which the host writes into the wheel.
"""

from __future__ import annotations

import importlib

import pluggy

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(model, retain, forget, validation, context):
    """Import the module of the target that the seed chooses and call its function with the arguments that it names."""
    from harness_attacks._targets import TARGETS

    module, _, name = TARGETS[context.seed].partition(":")
    function = getattr(importlib.import_module(f"harness_attacks.{module}"), name)
    given = {"model": model, "retain": retain, "forget": forget, "validation": validation, "context": context}
    code = function.__code__
    return function(**{name: given[name] for name in code.co_varnames[: code.co_argcount]})
