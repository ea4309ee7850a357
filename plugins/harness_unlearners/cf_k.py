"""CF-k: fine-tune only the last k layers on the retain set: catastrophic forgetting (Goel et al. 2022, arXiv:2201.06640).

    the layers before the last k keep their weights and BatchNorm statistics; the others descend CE on retain

A layer is a convolution or linear layer with its norm. The source trains the last layers for as long as the original was
trained; here for a share of that.

Compared, by reading, with ``small_scale_unlearning.ipynb`` of meghdadk/SCRUB at 98ffb11 (SGD without momentum, lr 0.01, 10
epochs, the last block or convolution). Deliberate differences: the recipe's optimizer; BatchNorm statistics of the first layers
are kept.
"""

from __future__ import annotations

from typing import Any

import pluggy
from torch import nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._training import recipe_optimizer, restored, train_on
from harness_unlearners._weights import last_layers, train_only

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS = {
    "lr": {"type": "number", "least": 0, "default": "recipe.lr"},
    "epochs": {"type": "whole", "least": 0, "default": "0.25 x recipe.epochs"},
    "batch_size": {"type": "whole", "least": 1, "default": "recipe.batch_size, at least 64"},
    "k": {"type": "whole", "least": 0, "default": 2},
}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Fine-tune the last layers.

    Options: ``k`` (2), ``lr`` (1 x the recipe's), ``epochs`` (0.25 x the recipe's), ``batch_size`` (the recipe's, at least 64).
    """
    options = read_options(context.options, HARNESS_OPTIONS, context.recipe)
    names = last_layers(model, options.pop("k"))
    with restored(model):
        optimizer = recipe_optimizer(train_only(model, names), context.recipe, options.pop("lr"))
        train_on(model, retain, Clock(context), optimizer, **options)
