"""Images in memory: data sets, batches and augmentation, all of them functions of (seed, step)."""

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from drivers.errors import ConfigError

_ORDER_PURPOSE = 1
_AUGMENT_PURPOSE = 2


class Source(StrEnum):
    """Where images come from."""

    DIGITS = "digits"
    """scikit-learn's 1797 handwritten digits, enlarged to 32x32: embedded, no download."""
    CIFAR10 = "cifar10"
    """CIFAR-10 through torchvision, downloaded on first use."""
    NPZ = "npz"
    """Two `.npz` files with arrays `x` (uint8, N x H x W x 3) and `y` (integers)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """Labelled images."""

    pixels: NDArray[np.uint8]
    """uint8, shape (N, H, W, 3)."""
    labels: NDArray[np.int64]
    """int64, shape (N,), 0 to classes - 1."""

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True, slots=True, kw_only=True)
class Dataset:
    """A training and a test set."""

    name: str
    train: Images
    test: Images
    classes: int
    crop_padding: int
    """Pixels of reflection around an image before a random crop; 0 for none."""
    flips: bool
    """Whether a mirrored image keeps its label."""


def load(source: Source, *, train: Path | None = None, test: Path | None = None, root: Path | None = None) -> Dataset:
    """Load a data set.

    Args:
        source: which.
        train: training file of an `npz` source.
        test: test file of an `npz` source.
        root: where torchvision keeps its downloads.

    Raises:
        ConfigError: if a file is missing or does not hold images and labels; the message names file and array.
    """
    if source is Source.DIGITS:
        return _digits()
    if source is Source.CIFAR10:
        return _cifar10(root or Path("~/.cache/domainwall-hil").expanduser())
    if train is None or test is None:
        raise ConfigError("an npz data set needs two files: set data.train and data.test")
    train_images, test_images = _read_npz(train), _read_npz(test)
    if train_images.pixels.shape[1:] != test_images.pixels.shape[1:]:
        raise ConfigError(f"{train} and {test} hold images of different sizes")
    classes = int(max(train_images.labels.max(), test_images.labels.max())) + 1
    return Dataset(name=train.stem, train=train_images, test=test_images, classes=classes, crop_padding=4, flips=True)


def _digits() -> Dataset:
    from sklearn.datasets import load_digits

    flat, classes = load_digits(return_X_y=True)
    labels = np.asarray(classes, np.int64)
    small = torch.from_numpy(np.asarray(flat, np.float32).reshape(-1, 1, 8, 8) * (255 / 16))
    large = torch.nn.functional.interpolate(small, size=(32, 32), mode="bilinear").round().to(torch.uint8)
    rgb = large.permute(0, 2, 3, 1).expand(-1, -1, -1, 3).contiguous().numpy()
    order = np.random.default_rng([0, len(labels)]).permutation(len(labels))
    test, train = order[:360], order[360:]
    return Dataset(
        name="digits",
        train=Images(pixels=rgb[train], labels=labels[train]),
        test=Images(pixels=rgb[test], labels=labels[test]),
        classes=10,
        crop_padding=4,
        flips=False,
    )


def _cifar10(root: Path) -> Dataset:
    from torchvision.datasets import CIFAR10

    try:
        train, test = (CIFAR10(str(root), train=is_train, download=True) for is_train in (True, False))
    except (OSError, RuntimeError) as error:
        message = (
            f"CIFAR-10 could not be downloaded to {root} ({error}); give the images as files with data.source = 'npz'"
        )
        raise ConfigError(message) from error
    return Dataset(
        name="cifar10",
        train=Images(pixels=train.data, labels=np.asarray(train.targets, np.int64)),
        test=Images(pixels=test.data, labels=np.asarray(test.targets, np.int64)),
        classes=10,
        crop_padding=4,
        flips=True,
    )


def _read_npz(path: Path) -> Images:
    try:
        with np.load(path, allow_pickle=False) as archive:
            pixels, labels = archive["x"], archive["y"]
    except FileNotFoundError:
        raise ConfigError(f"{path}: no such file") from None
    except KeyError as error:
        raise ConfigError(f"{path}: {error.args[0]} (an image file holds arrays 'x' and 'y')") from error
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path}: not a readable .npz file ({error})") from error
    if pixels.dtype != np.uint8 or pixels.ndim != 4 or pixels.shape[3] != 3:
        raise ConfigError(f"{path}: x is {pixels.dtype} of shape {pixels.shape}; needed: uint8, (N, H, W, 3)")
    if labels.shape != (len(pixels),) or not np.issubdtype(labels.dtype, np.integer):
        raise ConfigError(f"{path}: y is {labels.dtype} of shape {labels.shape}; needed: integers, ({len(pixels)},)")
    if len(labels) == 0 or labels.min() < 0:
        raise ConfigError(f"{path}: y must hold at least one label, none of them negative")
    return Images(pixels=pixels, labels=labels.astype(np.int64))


class Batches:
    """Batches as normalised tensors; which images, crops and flips depends on (seed, epoch, step) alone.

    Args:
        dataset: the images.
        batch_size: images per training batch; a last, smaller batch is left out.
        seed: of order and augmentation.
        device: where the tensors go.

    Raises:
        ConfigError: if the training set is smaller than one batch.
    """

    def __init__(self, dataset: Dataset, *, batch_size: int, seed: int, device: torch.device) -> None:
        if batch_size > len(dataset.train):
            raise ConfigError(f"batch_size {batch_size} exceeds the {len(dataset.train)} images of {dataset.name}")
        self._dataset = dataset
        self._batch_size = batch_size
        self._seed = seed
        self._device = device
        pad = dataset.crop_padding
        padded = (
            np.pad(dataset.train.pixels, ((0, 0), (pad, pad), (pad, pad), (0, 0)), mode="reflect")
            if pad
            else dataset.train.pixels
        )
        self._padded = torch.from_numpy(padded)
        self._labels = torch.from_numpy(dataset.train.labels)
        self._mean, self._std = _pixel_statistics(dataset.train.pixels)

    @property
    def steps_per_epoch(self) -> int:
        """Return the number of training batches in one epoch."""
        return len(self._dataset.train) // self._batch_size

    def order(self, epoch: int) -> NDArray[np.int64]:
        """Return the order of the training images in this epoch."""
        return np.random.default_rng([self._seed, _ORDER_PURPOSE, epoch]).permutation(len(self._dataset.train))

    def training(self, step: int, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor]:
        """Return the augmented images and labels of one batch.

        Args:
            step: keys crops and flips.
            chosen: indices of the images.

        Returns:
            Images, float32, (B, 3, H, W), channels last; labels, int64, (B,).
        """
        generator = np.random.default_rng([self._seed, _AUGMENT_PURPOSE, step])
        height, width = self._dataset.train.pixels.shape[1:3]
        size, pad = len(chosen), self._dataset.crop_padding
        top, left = generator.integers(0, 2 * pad + 1, (2, size))
        columns = left[:, None] + np.arange(width)
        if self._dataset.flips:
            columns = np.where(generator.random(size)[:, None] < 0.5, columns[:, ::-1], columns)
        lines = torch.from_numpy(top[:, None] + np.arange(height))
        index = torch.from_numpy(chosen)
        pixels = self._padded[index[:, None, None], lines[:, :, None], torch.from_numpy(columns.copy())[:, None, :]]
        return self._normalised(pixels), self._labels[index].to(self._device)

    def test(self, batch_size: int = 1000) -> list[tuple[Tensor, Tensor]]:
        """Return the test set in batches, images as they are."""
        pixels, labels = torch.from_numpy(self._dataset.test.pixels), torch.from_numpy(self._dataset.test.labels)
        starts = range(0, len(labels), batch_size)
        return [
            (self._normalised(pixels[s : s + batch_size]), labels[s : s + batch_size].to(self._device)) for s in starts
        ]

    def _normalised(self, pixels: Tensor) -> Tensor:
        images = pixels.to(self._device).permute(0, 3, 1, 2).to(torch.float32, memory_format=torch.channels_last)
        return images.sub_(self._mean.to(self._device)).div_(self._std.to(self._device))


def _pixel_statistics(pixels: NDArray[np.uint8]) -> tuple[Tensor, Tensor]:
    """Return mean and standard deviation per channel, shape (3, 1, 1), from histograms: exact and quick."""
    counts = np.stack([np.bincount(pixels[..., channel].ravel(), minlength=256) for channel in range(3)]).astype(
        np.float64
    )
    levels = np.arange(256)
    mean = counts @ levels / counts.sum(axis=1)
    deviation = np.sqrt(counts @ levels**2 / counts.sum(axis=1) - mean**2)
    shaped = [torch.tensor(value, dtype=torch.float32).reshape(3, 1, 1) for value in (mean, np.maximum(deviation, 1.0))]
    return shaped[0], shaped[1]
