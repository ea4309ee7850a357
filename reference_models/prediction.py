"""Logits of many models on many pictures."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
from numpy.typing import NDArray

from reference_models.ensembles import Ensemble
from reference_models.mechanism import choose_mechanism, make_ensemble
from reference_models.recipe import ModelSpec
from reference_models.states import StackedState, n_members, take_members

MEMBERS_AT_ONCE = 8


def stacked_logits(
    spec: ModelSpec,
    state: StackedState,
    images: NDArray[np.uint8],
    *,
    device: torch.device | str = "cpu",
    batch_size: int = 128,
    members_at_once: int = MEMBERS_AT_ONCE,
) -> NDArray[np.float32]:
    """Outputs of every member on every picture, in evaluation mode.

    Args:
        spec: the network.
        state: K members (K may be 1).
        images: shape (n, C, H, W), uint8.
        device: where to compute.
        batch_size: pictures at a time; memory grows with ``batch_size * members_at_once``.
        members_at_once: members at a time.

    Returns:
        Logits of shape (K, n, n_classes), float32.
    """
    pictures = torch.from_numpy(np.ascontiguousarray(images.transpose(0, 2, 3, 1)))
    out = torch.empty((n_members(state), len(images), spec.n_classes))
    threads = torch.get_num_threads() if choose_mechanism(spec, device) == "chained" else 1

    def fill(part: tuple[slice, slice]) -> None:
        members, rows = part
        ensemble = make_ensemble(spec, take_members(state, members), device)
        ensemble.train(False)
        _fill(out[members, rows], ensemble, pictures[rows], torch.device(device), batch_size)

    parts = list(_parts(len(out), len(images), members_at_once, threads))
    if threads == 1 or len(parts) == 1:
        for part in parts:
            fill(part)
    else:
        with _of_one_thread_each(threads) as pool:
            list(pool.map(fill, parts))
    logits: NDArray[np.float32] = out.numpy()
    return logits


def _parts(k: int, n_pictures: int, members_at_once: int, threads: int) -> Iterator[tuple[slice, slice]]:
    """Members and pictures that are computed together: at least one part a thread, where there is enough to do."""
    turns = -(-k // members_at_once)
    at_once = max(1, -(-n_pictures // -(-threads // turns)))
    for first in range(0, k, members_at_once):
        for row in range(0, n_pictures, at_once):
            yield slice(first, min(first + members_at_once, k)), slice(row, min(row + at_once, n_pictures))


@contextlib.contextmanager
def _of_one_thread_each(threads: int) -> Iterator[ThreadPoolExecutor]:
    """Threads whose operations of torch have no threads of their own."""
    try:
        with ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,)) as pool:
            yield pool
    finally:
        torch.set_num_threads(threads)  # part of the setting is the process's


@torch.inference_mode()
def _fill(out: torch.Tensor, ensemble: Ensemble, pictures: torch.Tensor, device: torch.device, batch_size: int) -> None:
    for start in range(0, len(pictures), batch_size):
        rows = slice(start, start + batch_size)
        out[:, rows] = ensemble.logits(pictures[rows].to(device)[None]).to("cpu")
