"""A single file of the Challenge runs in the container, without network and with worker processes."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from harness.core.outcomes import Status
from harness.runners.base import Limits
from tests.docker.conftest import Bench

KIT = """
import socket
import torch


def unlearning(net, retain, forget, validation):
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=5)
    except OSError as error:
        print("no network:", error)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    net.train()
    for inputs, targets in retain:
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(net(inputs), targets).backward()
        optimizer.step()
    net.eval()
    return net
"""
CHALLENGE = """
import torch
from torch.utils.data import DataLoader


def unlearning(net, retain_loader, forget_loader, val_loader):
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
    loader = DataLoader(retain_loader.dataset, batch_size=retain_loader.batch_size, shuffle=True, num_workers=2)
    net.train()
    seen = []
    for _ in range(3):
        for sample in loader:
            seen += sample["image_id"].tolist()
            optimizer.zero_grad()
            torch.nn.functional.cross_entropy(net(sample["image"]), sample["age_group"]).backward()
            optimizer.step()
    net.eval()
    print("examples:", len(seen), "different:", len(set(seen)))
"""


def _unlearned(bench: Bench, folder: Path, code: str) -> str:
    """Unlearn a model in the container, check that its weights changed, and return what the script printed."""
    (folder / "method.py").write_text(code)
    outcome, original, unlearned = bench.unlearn(str(folder / "method.py"), limits=Limits(memory_mib=2048, cpus=1.0))
    assert outcome.status is Status.OK, outcome
    assert any(not np.array_equal(unlearned[name], original[name]) for name in original)
    return outcome.log.head + outcome.log.tail


def test_the_kit_s_function_unlearns_without_network(bench: Bench, tmp_path: Path) -> None:
    assert "no network:" in _unlearned(bench, tmp_path, KIT)


def test_the_challenge_s_function_unlearns_with_worker_processes(bench: Bench, tmp_path: Path) -> None:
    assert "examples: 96 different: 32" in _unlearned(bench, tmp_path, CHALLENGE)
