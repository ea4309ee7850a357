"""The unlearners' hook; called only inside the sandbox."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pluggy

if TYPE_CHECKING:
    from torch import nn

    from harness_guest.context import Context
    from harness_guest.data import SplitData

PROJECT = "harness"
GROUP = "harness.unlearners"
hookspec = pluggy.HookspecMarker(PROJECT)


@hookspec(firstresult=True)
def unlearn(
    model: nn.Module, retain: SplitData, forget: SplitData, validation: SplitData, context: Context
) -> nn.Module | None:
    """Make ``model`` forget ``forget``; group ``harness.unlearners``.

    Called once per model, in the sandbox, in a fresh process. An implementation may take any subset of the
    arguments::

        import pluggy
        import torch

        hookimpl = pluggy.HookimplMarker("harness")

        @hookimpl
        def unlearn(model, retain, context):
            optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9)
            model.train()
            for images, labels in retain.loader(batch_size=64, shuffle=True, drop_last=True):
                optimizer.zero_grad()
                torch.nn.functional.cross_entropy(model(images), labels).backward()
                optimizer.step()
            model.eval()

    Args:
        model: the original, trained on retain + forget, on ``context.device``, in eval mode. It may be changed in place.
        retain: the training examples to keep: a map-style dataset of (image float32 (C, H, W) normalised, label int), with
            a fast batched loader ``retain.loader(batch_size, shuffle=..., augment=...)``.
        forget: the training examples to forget; same form.
        validation: examples never trained on; same form; may be empty.
        context: device, seed, number of classes, training recipe, options, time limit and remaining time in seconds.

    Returns:
        The unlearned model, or None if ``model`` was changed in place. Its state must have the names, shapes and dtypes
        of the original's, and be finite.

    An exception is the submission's failure: status ``plugin_error`` with the traceback in the report.
    """
