"""ResNet-18 and ResNet-9 for small images.

ResNet-18 is that of He et al. 2015, with a 3x3 stem of stride 1 and no max-pooling. Its modules and state tensors have
torchvision's names (``conv1``, ``bn1``, ``layer1`` to ``layer4``, ``fc``), since published methods select layers by these
names. ResNet-9 is the network of fast training on CIFAR-10 (D. Page 2018, "How to train your ResNet").
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def _conv(in_channels: int, out_channels: int, kernel: int, stride: int) -> nn.Conv2d:
    conv = nn.Conv2d(in_channels, out_channels, kernel, stride=stride, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


class BasicBlock(nn.Module):
    """Two 3x3 convolutions with BatchNorm and a shortcut, which is projected if the shape changes."""

    def __init__(self, in_channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, out_channels, 3, stride)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = _conv(out_channels, out_channels, 3, 1)
        self.bn2 = nn.BatchNorm2d(out_channels)
        self.downsample: nn.Sequential | None = None
        if stride != 1 or in_channels != out_channels:
            projection = _conv(in_channels, out_channels, 1, stride)
            self.downsample = nn.Sequential(projection, nn.BatchNorm2d(out_channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, out_channels, H / stride, W / stride) of (n, in_channels, H, W)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        y = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(y)) + shortcut)
        return out


class ResNet(nn.Module):
    """Eight basic blocks in four stages of ``width``, 2, 4 and 8 times ``width`` channels; any image size."""

    def __init__(self, in_channels: int, n_classes: int, width: int) -> None:
        super().__init__()
        self.conv1 = _conv(in_channels, width, 3, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.Identity()
        self.layer1 = _stage(width, width, 1)
        self.layer2 = _stage(width, 2 * width, 2)
        self.layer3 = _stage(2 * width, 4 * width, 2)
        self.layer4 = _stage(4 * width, 8 * width, 2)
        self.avgpool = nn.AdaptiveAvgPool2d((1, 1))
        self.fc = nn.Linear(8 * width, n_classes)

    def forward(self, x: Tensor) -> Tensor:
        """Return (n, n_classes) of (n, in_channels, H, W)."""
        x = self.maxpool(self.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        out: Tensor = self.fc(torch.flatten(self.avgpool(x), 1))
        return out


def _stage(in_channels: int, out_channels: int, stride: int) -> nn.Sequential:
    return nn.Sequential(BasicBlock(in_channels, out_channels, stride), BasicBlock(out_channels, out_channels, 1))


def resnet18(in_channels: int, image_size: tuple[int, int], n_classes: int, *, width: int = 64) -> nn.Module:  # noqa: ARG001
    """Return a :class:`ResNet`."""
    return ResNet(in_channels, n_classes, width)


def _unit(in_channels: int, out_channels: int, *, pool: bool = False) -> nn.Sequential:
    """Return a 3x3 convolution, BatchNorm and ReLU, and a 2x2 max-pooling if ``pool``."""
    layers = [_conv(in_channels, out_channels, 3, 1), nn.BatchNorm2d(out_channels), nn.ReLU(inplace=True)]
    return nn.Sequential(*layers, *([nn.MaxPool2d(2)] if pool else []))


class ResidualUnits(nn.Module):
    """Two units with an identity shortcut around both."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.units = nn.Sequential(_unit(channels, channels), _unit(channels, channels))

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        out: Tensor = x + self.units(x)
        return out


class Scaled(nn.Module):
    """A product with a constant."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        """Return the same shape."""
        return x * self.factor


LOGIT_SCALE = 0.125


def resnet9(in_channels: int, image_size: tuple[int, int], n_classes: int, *, width: int = 64) -> nn.Module:
    """Return units of ``width``, 2, 4 and 8 times ``width`` channels, residual ones after the second and fourth.

    The last max-pooling is over all pixels that are left, 4x4 of 32x32; logits are scaled by 0.125, both as in the source.

    Raises:
        ValueError: images have fewer than 8 pixels on a side.
    """
    left = (image_size[0] // 8, image_size[1] // 8)
    if 0 in left:
        raise ValueError(
            f"resnet9 halves images three times: they need at least 8x8 pixels, not {image_size[0]}x{image_size[1]}"
        )
    return nn.Sequential(
        _unit(in_channels, width),
        _unit(width, 2 * width, pool=True),
        ResidualUnits(2 * width),
        _unit(2 * width, 4 * width, pool=True),
        _unit(4 * width, 8 * width, pool=True),
        ResidualUnits(8 * width),
        nn.MaxPool2d(left),  # the adaptive one has no deterministic backward pass on a GPU
        nn.Flatten(),
        nn.Linear(8 * width, n_classes, bias=False),
        Scaled(LOGIT_SCALE),
    )
