"""Which weight is on which device, and in which order."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from hil.kernels.compile_update import decode
from hil.mapping import in_device_order, map_layers, rows, shared_with_numpy
from hil.model import Stem, build_resnet18


@pytest.mark.parametrize(("stem", "devices"), [(Stem.TORCHVISION, 11_172_032), (Stem.CIFAR, 11_164_352)])
def test_resnet18_puts_its_convolutions_and_its_classifier_on_devices(stem: Stem, devices: int):
    model = build_resnet18(stem, classes=10, seed=1)
    layers = map_layers(model, range_sigmas=6.0)
    assert len(layers) == 21
    assert sum(layer.devices for layer in layers) == devices
    for before, after in itertools.pairwise(layers):
        assert after.first % 1024 == 0
        assert 0 <= after.first - before.stop < 1024
    assert layers[-1].stop <= 11_534_336  # the array that ships


def test_both_stems_classify_small_images():
    images = torch.zeros(2, 3, 32, 32)
    for stem in Stem:
        assert build_resnet18(stem, classes=7, seed=1).eval()(images).shape == (2, 7)


def test_the_seed_alone_decides_the_initial_weights():
    before = torch.get_rng_state()
    one, two, other = (build_resnet18(Stem.CIFAR, classes=10, seed=seed) for seed in (1, 1, 2))
    assert torch.equal(one.conv1.weight, two.conv1.weight)
    assert not torch.equal(one.conv1.weight, other.conv1.weight)
    assert torch.equal(before, torch.get_rng_state())


def test_writing_in_device_order_writes_the_parameter_itself():
    convolution = nn.Conv2d(3, 4, 5, bias=False).to(memory_format=torch.channels_last)
    memory = shared_with_numpy(convolution.weight)
    decode(np.arange(300, dtype=np.uint16), 2.0, -1.0, memory, 0, 65535)
    assert torch.equal(in_device_order(convolution.weight), torch.arange(300) * 2.0 - 1.0)
    gradient = convolution.weight.detach().clone(memory_format=torch.contiguous_format)
    assert torch.equal(in_device_order(gradient), in_device_order(convolution.weight))


def test_a_parameter_in_another_memory_order_is_refused():
    convolution = nn.Conv2d(3, 4, 5, bias=False)
    with pytest.raises(ValueError, match="device order"):
        shared_with_numpy(convolution.weight)


@pytest.mark.parametrize(("devices", "expected"), [(1, 1), (1024, 1), (1025, 2)])
def test_rows(devices: int, expected: int):
    assert rows(devices) == expected
