"""Random labels: train on the retain set and on the forget set with wrong labels (Golatkar et al. 2020, arXiv:1911.04933).

    loss = CE over retain examples with their labels and forget examples with wrong ones, redrawn in every pass

Also known as the relabelling variant of amnesiac unlearning (Graves et al. 2021, arXiv:2010.10981). Published settings: Adam,
lr 1e-4, 3 epochs, batches of 128, for ResNet-18.

Compared, by reading, with ``amnesiac`` in ``src/forget_random_strategies.py`` of if-loops/selective-synaptic-dampening at
cdfdc0e: labels are drawn from the wrong classes as there. Deliberate differences: the recipe's optimizer; wrong labels are
redrawn in every pass, while that code draws them once; every batch holds forget examples in proportion.
"""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._relabelling import train_relabelled
from harness_unlearners._training import recipe_optimizer, restored

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": "0.2 x recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.1 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, forget: Any, context: Any) -> None:
    """Train on wrong labels for the forget set and true labels for the retain set.

    Options: ``lr`` (0.2 x the recipe's), ``epochs`` (0.1 x the recipe's), ``batch_size`` (the recipe's, at least 64).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    optimizer = recipe_optimizer(model.parameters(), context.recipe, options.pop("lr"))
    with restored(model):
        model.train()
        train_relabelled(model, retain, forget, Clock(context), optimizer, context.n_classes, **options)
