"""Gradient ascent on the forget set, then a short repair on the retain set."""

import pluggy

from ascent_repair.steps import ascend, mean_loss, repair

__all__ = ["unlearn"]

hookimpl = pluggy.HookimplMarker("harness")


@hookimpl
def unlearn(model, retain, forget, validation, context):
    """Unlearn ``forget`` in place."""
    options = {"ascent_lr": 0.002, "ascent_epochs": 2, "repair_lr": 0.01, "batch_size": 64, **context.options}
    batch_size = int(options["batch_size"])
    ceiling = mean_loss(model, validation, batch_size) if len(validation) else None
    ascend(model, forget, float(options["ascent_lr"]), int(options["ascent_epochs"]), batch_size, ceiling)
    repair(model, retain, float(options["repair_lr"]), batch_size, context)
