"""Images: files that are refused with a reason, batches that depend on their keys alone."""

from pathlib import Path

import numpy as np
import pytest
import torch

from drivers.errors import ConfigError
from hil import data

CPU = torch.device("cpu")


def _write(path: Path, **arrays: np.ndarray) -> Path:
    np.savez(path, **arrays)
    return path


def _images(count: int = 8) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 6, 5, 3)).astype(np.uint8)


def _dataset(*, crop_padding: int, flips: bool, count: int = 8) -> data.Dataset:
    images = data.Images(pixels=_images(count), labels=np.arange(count))
    return data.Dataset(name="few", train=images, test=images, classes=count, crop_padding=crop_padding, flips=flips)


def test_digits_need_no_file_and_keep_train_and_test_apart():
    digits = data.load(data.Source.DIGITS)
    assert (len(digits.train), len(digits.test), digits.classes) == (1437, 360, 10)
    assert digits.train.pixels.shape[1:] == (32, 32, 3)
    assert not digits.flips  # a mirrored digit is another sign


def test_npz_files_load(tmp_path: Path):
    train = _write(tmp_path / "train.npz", x=_images(), y=np.arange(8))
    test = _write(tmp_path / "test.npz", x=_images(3), y=np.arange(3))
    loaded = data.load(data.Source.NPZ, train=train, test=test)
    assert (loaded.name, len(loaded.train), len(loaded.test), loaded.classes) == ("train", 8, 3, 8)


@pytest.mark.parametrize(
    ("arrays", "complaint"),
    [
        ({"x": _images()}, "y"),
        ({"x": _images().astype(np.float32), "y": np.arange(8)}, "uint8"),
        ({"x": _images()[..., :1], "y": np.arange(8)}, "uint8"),
        ({"x": _images(), "y": np.arange(7)}, "8"),
        ({"x": _images(), "y": np.arange(8) - 1}, "negative"),
        ({"x": _images(), "y": np.array([object()] * 8)}, "npz"),
    ],
)
def test_files_that_do_not_fit_are_refused_with_name_and_reason(tmp_path: Path, arrays: dict, complaint: str):
    bad = _write(tmp_path / "bad.npz", **arrays)
    with pytest.raises(ConfigError, match=complaint) as caught:
        data.load(data.Source.NPZ, train=bad, test=bad)
    assert "bad.npz" in str(caught.value)


def test_batches_depend_on_seed_epoch_and_step_alone():
    def batch(seed: int, epoch: int, step: int) -> torch.Tensor:
        batches = data.Batches(_dataset(crop_padding=2, flips=True), batch_size=4, seed=seed, device=CPU)
        return batches.training(step, batches.order(epoch)[:4])[0]

    assert torch.equal(batch(1, 2, 3), batch(1, 2, 3))
    for other in ((2, 2, 3), (1, 3, 3), (1, 2, 4)):
        assert not torch.equal(batch(1, 2, 3), batch(*other))


def test_without_augmentation_a_batch_is_the_normalised_images():
    dataset = _dataset(crop_padding=0, flips=False)
    batches = data.Batches(dataset, batch_size=8, seed=1, device=CPU)
    images, labels = batches.training(0, np.arange(8))
    expected = dataset.train.pixels.astype(np.float64)
    expected = (expected - expected.mean((0, 1, 2))) / expected.std((0, 1, 2))
    assert np.abs(images.permute(0, 2, 3, 1).numpy() - expected).max() < 1e-5
    assert labels.tolist() == list(range(8))


def test_crops_and_flips_are_those_of_the_padded_image():
    dataset = _dataset(crop_padding=2, flips=True)
    batches = data.Batches(dataset, batch_size=8, seed=1, device=CPU)
    plain = data.Batches(_dataset(crop_padding=0, flips=False), batch_size=8, seed=1, device=CPU)
    seen_flip = seen_shift = False
    for step in range(20):
        images, _ = batches.training(step, np.array([3]))
        padded = np.pad(plain.training(0, np.array([3]))[0].numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
        places = [
            (top, left, flip)
            for top in range(5)
            for left in range(5)
            for flip in (1, -1)
            if np.allclose(images.numpy()[..., ::flip], padded[..., top : top + 6, left : left + 5], atol=1e-5)
        ]
        assert places, "a crop that is nowhere in the padded image"
        seen_shift |= places[0][:2] != (2, 2)
        seen_flip |= places[0][2] == -1
    assert seen_shift
    assert seen_flip


def test_an_epoch_sees_every_image_once():
    batches = data.Batches(_dataset(crop_padding=0, flips=False), batch_size=3, seed=1, device=CPU)
    assert sorted(batches.order(5)) == list(range(8))
    assert batches.steps_per_epoch == 2


def test_a_batch_larger_than_the_set_is_refused():
    with pytest.raises(ConfigError, match="batch_size"):
        data.Batches(_dataset(crop_padding=0, flips=False), batch_size=9, seed=1, device=CPU)


class _FakeCifar10:
    """Stands for torchvision's data set, which would have to be downloaded."""

    def __init__(self, root: str, *, train: bool, download: bool) -> None:
        assert download
        self.root = root
        self.data = _images(6 if train else 4)
        self.targets = list(range(len(self.data)))


def test_cifar10_comes_from_torchvision(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr("torchvision.datasets.CIFAR10", _FakeCifar10)
    loaded = data.load(data.Source.CIFAR10, root=tmp_path)
    assert (loaded.name, len(loaded.train), len(loaded.test), loaded.flips) == ("cifar10", 6, 4, True)
    assert loaded.train.labels.dtype == np.int64


def test_a_failed_download_says_what_to_do_instead(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    def unreachable(*_: object, **__: object) -> None:
        raise OSError("no route to host")

    monkeypatch.setattr("torchvision.datasets.CIFAR10", unreachable)
    with pytest.raises(ConfigError, match=r"no route to host.*npz"):
        data.load(data.Source.CIFAR10, root=tmp_path)
