"""The network: torchvision's ResNet-18 with the stem of its paper or the one customary for small images."""

from enum import StrEnum

import torch
from torch import nn
from torchvision.models import resnet18


class Stem(StrEnum):
    """What stands before the residual layers."""

    TORCHVISION = "torchvision"
    """7x7 convolution of stride 2 and max-pooling: 15 times cheaper on 32x32 images."""
    CIFAR = "cifar"
    """3x3 convolution of stride 1, no pooling."""


def build_resnet18(stem: Stem, *, classes: int, seed: int) -> nn.Module:
    """Build a freshly initialised ResNet-18 for RGB images, in channels-last memory.

    Args:
        stem: which stem.
        classes: outputs.
        seed: of the initial weights; the global generator is left as it was.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = resnet18(num_classes=classes)
        if stem is Stem.CIFAR:
            model.conv1 = nn.Conv2d(3, 64, kernel_size=3, stride=1, padding=1, bias=False)
            nn.init.kaiming_normal_(model.conv1.weight, mode="fan_out", nonlinearity="relu")
            model.add_module("maxpool", nn.Identity())
    return model.to(memory_format=torch.channels_last)
