"""SISA: train the shards that held forget examples again, from before (Bourtoule et al. 2021, arXiv:1912.03817).

    for each shard s with forget examples, r the first slice that holds one:
        constituent s <- its checkpoint before stage r;  train stages r, r + 1, ... on what is left of the shard

Needs a task with ``sisa``, whose originals were trained in shards and slices with checkpoints. What comes back has the
very distribution of a network trained so without the forget set, in proportion to the shards and slices that are
touched; many requests at once touch them all. All affected constituents go back to their checkpoints first: where the
time ends before they are trained again nothing is remembered that should not be, and the network is the worse for it.
No options. Published: 20 shards and 50 slices on SVHN and Purchase.

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


@hookimpl
def unlearn(model: nn.Module, retain: Any, context: Any) -> None:
    """Train the affected shards again from their last clean checkpoints."""
    read_options(context.options, {})
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
                print(f"the constituent of shard {shard}, and those after it, could not be trained again in the time")
                return


def sharding_of(context: Any) -> Any:
    """How the original was sharded.

    Raises:
        ValueError: it was not.
    """
    if context.journal is None or context.journal.sharding is None:
        raise ValueError(
            "this method needs a task with 'sisa: {shards: ..., slices: ...}', whose originals were trained so; "
            "try --task faces-sisa"
        )
    return context.journal.sharding


def first_stages(sharding: Any, n_retain: int) -> dict[int, int]:
    """Affected shard -> first stage that saw a forget example, shards in rising order."""
    first: dict[int, int] = {}
    for shard, piece in zip(sharding.shards[n_retain:].tolist(), sharding.slices[n_retain:].tolist(), strict=True):
        first[shard] = min(piece, first.get(shard, piece))
    return dict(sorted(first.items()))


def own_part(state: dict[str, Tensor], name: str) -> dict[str, Tensor]:
    """The state of one submodule, by its own names."""
    prefix = f"{name}." if name else ""
    return {key[len(prefix) :]: tensor for key, tensor in state.items() if key.startswith(prefix)}
