"""Attacks that return an invalid state for the original's architecture."""

from __future__ import annotations

import itertools
import sys

import torch
from harness_attacks._marks import attack
from torch import nn

hostile = attack("output_invalid", promise=4)


class Holder(nn.Module):
    """A model with an arbitrary state."""

    def __init__(self, state):
        super().__init__()
        self._given = state

    def state_dict(self, *_arguments, **_options):
        """Return the given state."""
        return self._given


def _changed(model, change):
    """Return a model with the original's state, changed at the first floating-point matrix."""
    state = dict(model.state_dict())
    name = next(name for name, value in state.items() if value.is_floating_point() and value.dim() > 1)
    change(state, name)
    return Holder(state)


def _with(value_of):
    """Return a hook that returns the original with its first matrix replaced."""

    def hook(model):
        return _changed(model, lambda state, name: state.update({name: value_of(state[name])}))

    return hook


def _poked(number):
    def poke(value):
        value = value.clone()
        value.view(-1)[0] = number
        return value

    return _with(poke)


wrong_shape = hostile(_with(lambda value: value[:-1]), "Return a tensor with one row less.")
transposed_shape = hostile(_with(lambda value: value.t().contiguous()), "Return a transposed tensor.")
flat_shape = hostile(_with(lambda value: value.reshape(-1)), "Return a flattened tensor.")
double_precision = hostile(_with(lambda value: value.double()), "Return float64, twice the bytes.", "output_too_large")
half_precision = hostile(_with(lambda value: value.half()), "Return float16.")
brain_floats = hostile(_with(lambda value: value.bfloat16()), "Return bfloat16, which numpy does not support.")
tiny_floats = hostile(
    _with(lambda value: value.to(torch.float8_e4m3fn)), "Return float8, which numpy does not support."
)
integers = hostile(_with(lambda value: value.to(torch.int32)), "Return integers.")
complex_numbers = hostile(
    _with(lambda value: value.to(torch.complex64)), "Return complex numbers, twice the bytes.", "output_too_large"
)
not_a_number = hostile(_poked(float("nan")), "Return one NaN.")
infinity = hostile(_poked(float("inf")), "Return one infinity.")
minus_infinity = hostile(_poked(float("-inf")), "Return one negative infinity.")
meta_tensor = hostile(_with(lambda value: value.to("meta")), "Return a meta tensor, which has no data.")
sparse_tensor = hostile(_with(lambda value: value.to_sparse()), "Return a sparse tensor.")
quantised_tensor = hostile(
    _with(lambda value: torch.quantize_per_tensor(value, 0.1, 0, torch.qint8)), "Return a quantised tensor."
)
no_tensor = hostile(_with(lambda value: value.tolist()), "Return a list instead of a tensor.")
empty_tensor = hostile(_with(lambda value: value[:0]), "Return an empty tensor.")
transposed_strides = hostile(_with(lambda value: value.t().contiguous().t()), "Return a non-contiguous tensor.", "ok")
wants_gradients = hostile(
    _with(lambda value: value.clone().requires_grad_()), "Return a tensor that requires gradients.", "ok"
)
expanded_tensor = hostile(
    _with(lambda value: value[:1, :1].expand_as(value)), "Return a tensor with strides of zero.", "ok"
)
negative_view = hostile(_with(lambda value: torch._neg_view(value)), "Return a view with the negative bit set.", "ok")


def wrong_name(model):
    """Return a tensor under another name, which contains escapes and a path."""
    return _changed(model, lambda state, name: state.update({"../../etc/passwd\n\x1b[2J": state.pop(name)}))


def missing_tensor(model):
    """Omit a tensor."""
    return _changed(model, lambda state, name: state.pop(name))


def extra_tensor(model):
    """Add a tensor."""
    return _changed(model, lambda state, name: state.update({"extra": torch.zeros(3)}))


def number_as_name(model):
    """Use a number as a tensor's name."""
    return _changed(model, lambda state, name: state.update({7: torch.zeros(3)}))


@hostile("output_too_large")
def ten_times_the_bytes(model):
    """Return ten times the bytes."""
    n_floats = 10 * sum(value.numel() for value in model.state_dict().values())
    return _changed(model, lambda state, name: state.update({"extra": torch.zeros(n_floats)}))


@hostile("ok")
def tied_weights(model):
    """Return tensors of the right shapes that share memory."""
    state = model.state_dict()
    memory = torch.zeros(max(value.numel() for value in state.values()))
    return Holder({name: memory[: value.numel()].view(value.shape).to(value.dtype) for name, value in state.items()})


def returns_text():
    """Return a string."""
    return "torch.nn.Module"


def returns_a_class():
    """Return a class instead of a model."""
    return nn.Linear


def returns_a_state(model):
    """Return a state instead of a model."""
    return model.state_dict()


def other_architecture(model):
    """Return another network."""
    return nn.Linear(3, 3)


def state_that_raises():
    """Return a model that raises in state_dict."""
    holder = Holder({})
    holder.state_dict = lambda: (_ for _ in ()).throw(KeyError("no state"))
    return holder


@hostile("plugin_error")
def state_that_exits():
    """Return a model that exits in state_dict."""
    holder = Holder({})
    holder.state_dict = lambda: sys.exit(0)
    return holder


class Endless(dict):
    """A dictionary with endless items."""

    def items(self):
        """Return an endless iterator over the same item."""
        value = torch.zeros(1)
        return (("same", value) for _ in itertools.count())


@hostile("timeout", limit_s=1.0)
def endless_state():
    """Return a model with an endless state."""
    return Holder(Endless())


def hooked_state(model):
    """Register a state_dict hook on the original that adds a tensor."""
    model.register_state_dict_post_hook(
        lambda module, state, prefix, metadata: state.update({"hooked": torch.zeros(1)})
    )


def tensor_that_lies(model):
    """Return a tensor of a subclass with overridden methods."""

    class Liar(torch.Tensor):
        def detach(self):
            return torch.full((2, 2), float("nan"))

    return _changed(model, lambda state, name: state.update({name: state[name].as_subclass(Liar)}))
