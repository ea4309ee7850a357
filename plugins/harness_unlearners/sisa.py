"""SISA: retrain the shards that held forget examples from checkpoints (Bourtoule et al. 2021, arXiv:1912.03817).

    for each shard s with forget examples, r the first slice that holds one:
        constituent s <- its checkpoint before stage r;  train stages r, r + 1, ... on what is left of the shard

Needs a task with ``sisa``, whose originals were trained in shards and slices with checkpoints. The result has exactly the
distribution of a network trained in this way without the forget set; the cost is proportional to the shards and slices
touched, and large forget sets touch all. All affected constituents are reset to their checkpoints first: if the time ends
before they are retrained, nothing is remembered, at the cost of accuracy. No options. Published: 20 shards and 50 slices on
SVHN and Purchase.

Not compared with released code: written from the paper.
"""

from __future__ import annotations

from typing import Any

import pluggy
from torch import Tensor, nn

from harness_unlearners._clock import Clock
from harness_unlearners._options import read_options
from harness_unlearners._stages import train_stages
from harness_unlearners._training import restored

hookimpl = pluggy.HookimplMarker("harness")

HARNESS_OPTIONS: dict[str, dict[str, Any]] = {}


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Retrain the affected shards from their last clean checkpoints."""
    read_options(context.options, HARNESS_OPTIONS)
    sharding = sharding_of(context)
    clock = Clock(context)
    first = first_stages(sharding, len(retain))
    for shard, stage in first.items():
        checkpoint = context.journal.checkpoint(stage)
        model.get_submodule(sharding.constituents[shard]).load_state_dict(
            own_part(checkpoint, sharding.constituents[shard])
        )
    with restored(model):
        model.train()
        for shard, stage in first.items():
            constituent = model.get_submodule(sharding.constituents[shard])
            if not train_stages(constituent, retain, sharding, shard, stage, context.recipe, clock):
                print(f"time limit reached: shard {shard} and later ones were reset but not retrained")
                return


def sharding_of(context: Any) -> Any:
    """Return how the original was sharded.

    Raises:
        ValueError: it was not sharded.
    """
    if context.journal is None or context.journal.sharding is None:
        raise ValueError("this method needs a task with 'sisa: {shards: ..., slices: ...}'; try --task faces-sisa")
    return context.journal.sharding


def first_stages(sharding: Any, n_retain: int) -> dict[int, int]:
    """Return a map from affected shard to the first stage that saw a forget example, in ascending order of shards."""
    first: dict[int, int] = {}
    for shard, piece in zip(sharding.shards[n_retain:].tolist(), sharding.slices[n_retain:].tolist(), strict=True):
        first[shard] = min(piece, first.get(shard, piece))
    return dict(sorted(first.items()))


def own_part(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """Return the state of a submodule, under its own names."""
    prefix = f"{name}." if name else ""
    return {key[len(prefix) :]: tensor for key, tensor in state.items() if key.startswith(prefix)}
