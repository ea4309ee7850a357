"""The trial step of a network before training: what works, and what is refused by the name of its layer or tensor."""

from __future__ import annotations

import pytest
import torch

from harness_guest.trial import NetworkError, try_network
from reference_models.networks.recipe import ArchitectureSpec, ModelSpec


def spec_of(kind: str) -> ModelSpec:
    architecture = ArchitectureSpec("tests.unit.guest.networks:network", {"kind": kind})
    return ModelSpec(architecture, (1, 6, 6), 3, (0.5,), (0.25,))


@pytest.mark.parametrize(
    "kind",
    [
        "Layers", "Tied", "Frozen", "Branching", "FunctionalDropout", "Attention", "AttentionDropout", "Counting",
        "Constants", "CalledLazy", "DoubleInside", "Checkpointed",
    ],
)  # fmt: skip
def test_a_network_that_works_is_let_through(kind: str) -> None:
    try_network(spec_of(kind), [2, 1])


@pytest.mark.filterwarnings(
    "ignore:.*quantize_per_tensor:UserWarning",
    "ignore:Lazy modules:UserWarning",
    "ignore:.*torch.jit:DeprecationWarning",
)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("Complex", "'first.phase' has dtype torch.complex64"),
        ("Float8", "'first.scale' has dtype torch.float8_e4m3fn"),
        ("Quantised", "'first.codes' has dtype torch.qint8"),
        ("Sparse", "'first.edges' is of layout torch.sparse_coo"),
        ("Meta", "'first.shape' is on the device meta"),
        ("Lazy", "'first.weight' has no shape yet, since its layer is lazy"),
        ("NotANumber", "NaN or infinite logits for a batch of 2 examples; the first layer to return them is 'root' (Root)"),
        ("SteepRoot", "the gradient of 'first.weight' is not finite"),
        ("Double", "fails in its layer 'first' (Linear)"),
        ("DoubleLogits", "logits of dtype torch.float64; they must be torch.float32"),
        ("RandomTable", "the buffer 'table' is not in its state (persistent=False) and differs"),
        ("Attribute", "other logits: it depends on values outside of parameters and buffers, e.g. its tensor 'scale'"),
        ("CountingCalls", "other logits when it reads a batch of 2 examples in evaluation mode again"),
        ("AlwaysDropout", "other logits when it reads a batch of 2 examples in evaluation mode again"),
        ("WithoutStatistics", "the logits of an example depend on the others in its batch"),
        ("InPlace", "it changes its inputs in place"),
        ("Probabilities", "it returns probabilities"),
        ("Expanded", "its state cannot be loaded into a new network"),
        ("Threads", "changes the number of threads of torch"),
        ("DoubleByDefault", "changes the default dtype of torch"),
        ("Seeded", "its factory seeds torch's generator"),
        ("DrawnByNumpy", "'first.bias' differs between two networks of one seed"),
        ("OneForAll", "returns parts of an earlier network again"),
        ("Scripted", "a scripted network"),
        ("Compiled", "a compiled network"),
        ("Moving", "'mean' changes in a batch of 2 examples in evaluation mode"),
    ],
)  # fmt: skip
def test_a_network_that_does_not_work_is_refused_by_name(kind: str, said: str) -> None:
    with pytest.raises(NetworkError) as refused:
        try_network(spec_of(kind), [2])

    assert said in str(refused.value)


def test_a_refused_network_leaves_torchs_settings_as_they_were() -> None:
    before = torch.get_num_threads(), torch.get_default_dtype()

    for kind in ("Threads", "DoubleByDefault"):
        with pytest.raises(NetworkError):
            try_network(spec_of(kind), [2])

    assert (torch.get_num_threads(), torch.get_default_dtype()) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"kin": "Layers"}, "there is no option 'kin'; did you mean 'kind'?; allowed: kind"),
        ({}, "its parameter 'kind' has no value: set it in options"),
        ({"kind": "Layers", "n_classes": 4}, "there is no option 'n_classes'"),
    ],
)
def test_an_option_that_the_factory_does_not_have_is_named(options: dict[str, object], said: str) -> None:
    with pytest.raises(NetworkError) as refused:
        try_network(ModelSpec(ArchitectureSpec("tests.unit.guest.networks:network", options), (1, 6, 6), 3), [2])

    assert said in str(refused.value)


def test_a_misspelled_factory_is_offered_its_near_match() -> None:
    with pytest.raises(NetworkError, match="did you mean 'network'"):
        try_network(ModelSpec(ArchitectureSpec("tests.unit.guest.networks:netwrk"), (1, 6, 6), 3), [2])
