"""The splits as an unlearner sees them."""

from __future__ import annotations

import pytest
import torch

from harness_guest.data import Normalisation, SplitData
from harness_guest.meter import LimitReachedError, Meter


def split(n_examples: int = 10) -> SplitData:
    images = torch.randint(0, 256, (n_examples, 3, 6, 6), dtype=torch.uint8, generator=torch.manual_seed(0))
    labels = torch.arange(n_examples) % 4
    return SplitData(images, labels, 4, Normalisation((0.5, 0.4, 0.3), (0.2, 0.3, 0.4)))


def test_an_item_is_a_normalised_image_and_its_label() -> None:
    data = split()
    image, label = data[3]

    expected = (data.images[3] / 255 - torch.tensor([0.5, 0.4, 0.3]).view(3, 1, 1)) / torch.tensor(
        [0.2, 0.3, 0.4]
    ).view(3, 1, 1)
    torch.testing.assert_close(image, expected, rtol=1e-5, atol=1e-5)
    assert (image.dtype, label) == (torch.float32, 3)


def test_batches_are_the_items_in_order() -> None:
    data = split()
    batches = list(data.loader(batch_size=4))

    assert [len(labels) for _, labels in batches] == [4, 4, 2]
    assert torch.equal(torch.cat([labels for _, labels in batches]), data.labels)
    images = torch.cat([images for images, _ in batches])
    assert torch.equal(images, torch.stack([data[i][0] for i in range(10)]))
    assert images.dtype == torch.float32


def test_a_loader_names_its_split_as_pytorch_s_does() -> None:
    data = split()
    loader = data.loader(batch_size=4, shuffle=True)

    assert loader.dataset is data
    with pytest.raises(AttributeError):
        loader.dataset = split()  # type: ignore[misc]


def test_code_that_builds_its_own_loader_runs_as_it_stands() -> None:
    """The Challenge's entries write ``DataLoader(retain_loader.dataset, ...)``; a split can be given as well."""
    data = split()
    for dataset in (data, data.loader().dataset):
        batches = list(torch.utils.data.DataLoader(dataset, batch_size=4))

        (plain, labels), (images, ours) = batches[0], next(iter(data.loader(batch_size=4)))
        assert [len(batch[1]) for batch in batches] == [4, 4, 2]
        assert torch.equal(plain, images)
        assert torch.equal(labels, ours)


def test_normalising_a_whole_split_at_once_is_the_same_as_item_by_item() -> None:
    data = split()
    at_once = data.normalised(data.images)

    assert at_once.dtype == torch.float32
    assert torch.equal(at_once, torch.stack([data[i][0] for i in range(len(data))]))


@pytest.mark.parametrize(
    ("n_examples", "drop_last", "length"), [(10, False, 3), (10, True, 2), (8, True, 2), (0, False, 0)]
)
def test_the_length_is_the_number_of_batches(n_examples: int, drop_last: bool, length: int) -> None:
    loader = split(n_examples).loader(batch_size=4, drop_last=drop_last)

    assert len(loader) == length
    assert len(list(loader)) == length


def test_shuffling_draws_a_new_order_in_every_pass_from_the_global_stream() -> None:
    loader = split(64).loader(batch_size=64, shuffle=True)
    torch.manual_seed(1)
    first, second = (next(iter(loader))[0] for _ in range(2))
    torch.manual_seed(1)

    assert torch.equal(next(iter(loader))[0], first)
    assert not torch.equal(first, second)


def test_a_generator_decides_order_and_augmentation() -> None:
    def batch() -> torch.Tensor:
        generator = torch.Generator().manual_seed(5)
        augment = ("horizontal-flip", "crop-pad-4")
        return next(iter(split(32).loader(32, shuffle=True, augment=augment, generator=generator)))[0]

    first = batch()
    torch.manual_seed(99)
    assert torch.equal(batch(), first)


def test_a_flip_mirrors_about_half_of_the_images() -> None:
    data = split(200)
    torch.manual_seed(0)
    images, _ = next(iter(data.loader(200, augment=("horizontal-flip",))))
    plain, _ = next(iter(data.loader(200)))

    same = (images == plain).flatten(1).all(1)
    mirrored = (images == plain.flip(-1)).flatten(1).all(1)
    assert (same ^ mirrored).all()
    assert 60 < int(mirrored.sum()) < 140


def test_a_crop_shifts_by_at_most_four_pixels_and_fills_with_black() -> None:
    data = split(50)
    data.images.fill_(255)
    torch.manual_seed(0)
    images, _ = next(iter(data.loader(50, augment=("crop-pad-4",))))

    black, white = data.normalised(torch.zeros(3, 1, 1, dtype=torch.uint8)), data.normalised(data.images[0, :, :1, :1])
    assert ((images == black) | (images == white)).all()
    assert (images == black).any()
    assert (images == white).flatten(1).any(1).all()


def test_the_last_batch_of_an_augmented_pass_is_augmented_too() -> None:
    data = split(10)
    torch.manual_seed(0)
    shapes = [images.shape for images, _ in data.loader(4, shuffle=True, augment=("crop-pad-4",))]

    assert shapes == [(4, 3, 6, 6), (4, 3, 6, 6), (2, 3, 6, 6)]


def test_an_unknown_augmentation_and_an_empty_batch_are_refused() -> None:
    with pytest.raises(ValueError, match="unknown augmentation 'rotate'; known: horizontal-flip, crop-pad-4"):
        split().loader(augment=("rotate",))  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size must be at least 1"):
        split().loader(batch_size=0)


def test_torch_s_own_loader_works_on_a_split() -> None:
    images, labels = next(iter(torch.utils.data.DataLoader(split(), batch_size=5)))

    assert images.shape == (5, 3, 6, 6)
    assert labels.tolist() == [0, 1, 2, 3, 0]


def test_what_is_drawn_is_counted_item_by_item_and_in_batches() -> None:
    meter = Meter()
    data = SplitData(split().images, split().labels, 4, Normalisation((0.5,) * 3, (0.5,) * 3), meter)

    list(data.loader(batch_size=4))
    list(data.loader(batch_size=4, drop_last=True))
    _ = data[0], data[1]

    assert meter.examples == 10 + 8 + 2


def test_a_batch_that_the_limit_does_not_allow_is_refused_and_not_counted() -> None:
    meter = Meter(9.5)
    data = SplitData(split().images, split().labels, 4, Normalisation((0.5,) * 3, (0.5,) * 3), meter)
    batches = iter(data.loader(batch_size=4))

    assert [len(next(batches)[1]) for _ in range(2)] == [4, 4]
    with pytest.raises(LimitReachedError, match="but 10 were requested"):
        next(batches)

    assert meter.examples == 8
    _ = data[0]
    with pytest.raises(LimitReachedError):
        _ = data[1]


VECTORS = torch.randn(10, 3, generator=torch.manual_seed(0), dtype=torch.float64)
TOKENS = torch.randint(0, 50, (10, 6), generator=torch.manual_seed(0), dtype=torch.int32)


def test_vectors_are_normalised_by_column() -> None:
    data = SplitData(VECTORS, torch.zeros(10, dtype=torch.int64), 2, Normalisation((1.0, 2.0, 3.0), (0.5, 1.0, 2.0)))
    expected = ((VECTORS - torch.tensor([1.0, 2.0, 3.0])) / torch.tensor([0.5, 1.0, 2.0])).float()

    (inputs, _), (one, _) = next(iter(data.loader(batch_size=10))), data[4]

    torch.testing.assert_close(inputs, expected)
    torch.testing.assert_close(one, expected[4])
    assert data.images is data.inputs


@pytest.mark.parametrize(
    ("stored", "dtype", "read"),
    [
        (TOKENS, torch.int64, TOKENS.long()),
        (VECTORS, torch.float32, VECTORS.float()),
        (VECTORS > 0, torch.float32, (VECTORS > 0).float()),
        (TOKENS.to(torch.uint8), torch.float32, TOKENS / 255),
    ],
    ids=["tokens", "vectors", "booleans", "bytes"],
)
def test_without_normalisation_inputs_are_read_as_they_are(
    stored: torch.Tensor, dtype: torch.dtype, read: torch.Tensor
) -> None:
    data = SplitData(stored, torch.zeros(10, dtype=torch.int64), 2, Normalisation())

    inputs, _ = next(iter(data.loader(batch_size=10)))

    assert inputs.dtype == dtype
    torch.testing.assert_close(inputs, read)


def test_only_pictures_can_be_augmented() -> None:
    data = SplitData(VECTORS, torch.zeros(10, dtype=torch.int64), 2, Normalisation())

    with pytest.raises(ValueError, match=r"horizontal-flip' is for pictures; an example has the shape \(3,\)"):
        data.loader(augment=["horizontal-flip"])
