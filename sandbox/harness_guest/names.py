"""Comparison of returned state names with the original's, and detection of known wrappers; standard library only."""

from __future__ import annotations

from collections.abc import Collection
from collections.abc import Set as AbstractSet

MAX_NAMED = 5
MAX_NAME_CHARS = 80
PREFIXES = {
    "_orig_mod.": "torch.compile wraps the model: return model._orig_mod, or change the model in place and return None",
    "module.": "nn.DataParallel wraps the model: return model.module",
    "_fsdp_wrapped_module.": "FSDP wraps the model: return the module inside it",
    "_checkpoint_wrapped_module.": "a checkpoint wrapper is left on the model: return the module inside it",
}
"""Prefixes that wrappers add to names (also after a dot), and the wrapper."""
PARTS = {
    "_orig": "pruning is not permanent: call torch.nn.utils.prune.remove(layer, name) on every pruned layer",
    "_mask": "pruning is not permanent: call torch.nn.utils.prune.remove(layer, name) on every pruned layer",
    "_g": "weight_norm is left on a layer: call torch.nn.utils.remove_weight_norm(layer)",
    "_v": "weight_norm or spectral_norm is left on a layer: call torch.nn.utils.remove_weight_norm or remove_spectral_norm",
}
"""Suffixes that leave an original name when removed, and their cause."""
PARAMETRIZED = "parametrizations."
PARAMETRIZED_ADVICE = (
    "a parametrization is left on a layer: call torch.nn.utils.parametrize.remove_parametrizations(layer, name)"
)


def difference(got: AbstractSet[str], due: AbstractSet[str]) -> str | None:
    """Return missing and unexpected names, with advice if a known wrapper is the cause; None if there is no difference.

    Args:
        got: names of the returned state.
        due: names of the original's state.
    """
    sides = [
        f"{what} {_listed(names)}" for what, names in (("lacks", due - got), ("has unexpected", got - due)) if names
    ]
    if not sides:
        return None
    hint = _hint(got - due, due)
    return f"the unlearned state {' and '.join(sides)}" + (f"; {hint}" if hint else "")


def _hint(unexpected: Collection[str], due: AbstractSet[str]) -> str | None:
    for name in sorted(unexpected):
        for prefix, advice in PREFIXES.items():
            if f".{prefix}" in f".{name}" and f".{name}".replace(f".{prefix}", ".")[1:] in due:
                return advice
        if f".{PARAMETRIZED}" in f".{name}":
            return PARAMETRIZED_ADVICE
        for end, advice in PARTS.items():
            if name.endswith(end) and name.removesuffix(end) in due:
                return advice
        inner = next((known for known in due if name.endswith(f".{known}")), None)
        if inner is not None and all(other.startswith(name.removesuffix(inner)) for other in unexpected):
            return f"every name begins with {name.removesuffix(inner)[:MAX_NAME_CHARS]!r}: return the module inside"
    return None


def _listed(names: Collection[str]) -> str:
    shown = ", ".join(name[:MAX_NAME_CHARS] for name in sorted(names)[:MAX_NAMED])
    return shown + (f" and {len(names) - MAX_NAMED} more" if len(names) > MAX_NAMED else "")
