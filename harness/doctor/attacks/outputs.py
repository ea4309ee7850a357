"""Attacks by the returned weights: promise 4."""

from __future__ import annotations

from harness.core.outcomes import Status
from harness.doctor.attacks.attack import Attack


def _returns(name: str, tries: str, expected: Status = Status.OUTPUT_INVALID, limit_s: float = 30.0) -> Attack:
    """Return an attack by the returned model."""
    return Attack(name, f"outputs:{name}", 4, tries, (expected,), limit_s=limit_s)


def _sends(name: str, tries: str, expected: Status = Status.OUTPUT_INVALID) -> Attack:
    """Return an attack by bytes sent to the guest, bypassing the guest's code."""
    return Attack(name, f"documents:{name}", 4, tries, (expected,))


ATTACKS: tuple[Attack, ...] = (
    _returns("wrong_name", "returns a tensor with another name that contains escapes and a path"),
    _returns("missing_tensor", "omits a tensor"),
    _returns("extra_tensor", "adds a tensor"),
    _returns("number_as_name", "uses a number as a tensor's name"),
    _returns("ten_times_the_bytes", "returns ten times the bytes", Status.OUTPUT_TOO_LARGE),
    _returns("wrong_shape", "returns a tensor with one row less"),
    _returns("transposed_shape", "returns a transposed tensor"),
    _returns("flat_shape", "returns a flattened tensor"),
    _returns("empty_tensor", "returns an empty tensor"),
    _returns("double_precision", "returns float64, twice the bytes", Status.OUTPUT_TOO_LARGE),
    _returns("half_precision", "returns float16"),
    _returns("brain_floats", "returns bfloat16, which numpy does not support"),
    _returns("tiny_floats", "returns float8, which numpy does not support"),
    _returns("integers", "returns integers"),
    _returns("complex_numbers", "returns complex numbers, twice the bytes", Status.OUTPUT_TOO_LARGE),
    _returns("not_a_number", "returns one NaN"),
    _returns("infinity", "returns one infinity"),
    _returns("minus_infinity", "returns one negative infinity"),
    _returns("meta_tensor", "returns a meta tensor, which has no data"),
    _returns("sparse_tensor", "returns a sparse tensor"),
    _returns("quantised_tensor", "returns a quantised tensor"),
    _returns("no_tensor", "returns a list instead of a tensor"),
    _returns("tensor_that_lies", "returns a tensor of a subclass with overridden methods"),
    _returns("transposed_strides", "returns a non-contiguous tensor", Status.OK),
    _returns("wants_gradients", "returns a tensor that requires gradients", Status.OK),
    _returns("expanded_tensor", "returns a tensor with strides of zero", Status.OK),
    _returns("negative_view", "returns a view with the negative bit set", Status.OK),
    _returns("tied_weights", "returns tensors that share memory", Status.OK),
    _returns("returns_text", "returns a string"),
    _returns("returns_a_class", "returns a class"),
    _returns("returns_a_state", "returns a dictionary"),
    _returns("other_architecture", "returns another network"),
    _returns("state_that_raises", "returns a model that raises in `state_dict`"),
    _returns("state_that_exits", "returns a model that exits in `state_dict`", Status.PLUGIN_ERROR),
    _returns("endless_state", "returns a model with an endless state", Status.TIMEOUT, 1.0),
    _returns("hooked_state", "registers a state hook on the model that adds a tensor"),
    _sends("nothing_sent", "sends an empty result"),
    _sends("pickle_sent", "sends a file of torch.save"),
    _sends("old_pickle_sent", "sends a pickle that creates a file when it is loaded"),
    _sends("script_sent", "sends a shell script"),
    _sends("long_header", "sends a safetensors header that claims 100 MB"),
    _sends("longest_header", "sends a safetensors header that claims 2^64 - 1 bytes"),
    _sends("all_header", "sends only a header, of the maximum length"),
    _sends("deep_header", "sends a header nested as deeply as its length allows"),
    _sends("header_of_bytes", "sends a header that is not UTF-8"),
    _sends("huge_shape", "sends a shape with an overflowing size"),
    _sends("negative_offsets", "sends negative offsets"),
    _sends("overlapping_tensors", "sends overlapping tensors"),
    _sends("hole_between_tensors", "sends bytes that belong to no tensor"),
    _sends("bytes_after_the_end", "sends a second document after the first"),
    _sends("truncated_document", "sends all but the last byte"),
    _sends("name_twice", "sends every name twice; the second, correct entry counts", Status.OK),
    _sends("many_empty_tensors", "sends thousands of empty tensors"),
    _sends("unknown_dtype", "sends an unknown dtype"),
    _sends("unending_result", "sends a gibibyte", Status.OUTPUT_TOO_LARGE),
)
