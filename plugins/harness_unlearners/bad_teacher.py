"""Bad teaching: distil a random network on the forget set (Chundawat et al. 2022, arXiv:2205.08096).

    loss = mean over a mixed batch of KL(softmax(teacher / T) || softmax(student / T))

The teacher of forget examples is a freshly initialised network, that of retain examples the original; both are frozen in eval
mode. Each pass uses ``share`` of the retain examples. The optimizer is Adam, as published, whatever the recipe's. Published
settings: lr 1e-4, 1 epoch, share 0.3, T 1, batches of 256.

Compared with ``unlearn.py`` of vikram2000b/bad-teaching-unlearning at f1aa988. Its loss is also divided by the number of
classes, since ``F.kl_div`` averages over all entries by default. Under Adam a constant factor has almost no effect;
``reduction=entries`` gives the released loss. Deliberate differences: the divergence is the paper's by default; retain
examples are redrawn in each pass, and every batch holds forget examples in proportion; the published rate hardly changes a
small network, so the default is larger.
"""

from __future__ import annotations

from typing import Any

import pluggy
import torch
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import divergence, forward, frozen_copy, restored, take_step

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {
    "lr": {"type": "number", "least": 0, "default": 0.002},
    "epochs": {"type": "whole", "least": 0, "default": "0.2 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": 64},
    "share": {"type": "number", "least": 0, "most": 1, "default": 0.3},
    "temperature": {"type": "number", "above": 0, "default": 1.0},
    "reduction": {"choices": ["examples", "entries"]},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Distil the random teacher on the forget set and the original on the retain set.

    Options: ``lr`` (2e-3), ``epochs`` (0.2 x the recipe's), ``batch_size`` (64), ``share`` of the retain set (0.3),
    ``temperature`` (1), ``reduction`` of the loss (examples; or entries).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    good, bad = frozen_copy(model), frozen_copy(context.new_model())
    optimizer = torch.optim.Adam(model.parameters(), lr=options["lr"])
    sizes = options["batch_size"], options["epochs"], options["share"]
    with restored(model):
        model.train()
        for (kept, _), (gone, _) in Clock(context).pairs(retain, forget, *sizes):
            target = torch.cat([good(kept), bad(gone)])
            logits = forward(model, torch.cat([kept, gone]))
            take_step(optimizer, teaching_loss(target, logits, options["temperature"], options["reduction"]))


def teaching_loss(target: Tensor, logits: Tensor, temperature: float, reduction: str) -> Tensor:
    """Return the mean over examples of KL(target || logits), in nats; under ``entries`` over their classes as well."""
    mean = divergence(target, logits, temperature).mean()
    return mean / logits.shape[1] if reduction == "entries" else mean
