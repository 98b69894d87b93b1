"""Dots as braille characters: each terminal cell holds two dots across and four down."""

import numpy as np
from numpy.typing import NDArray

Dots = NDArray[np.bool_]

_BLANK = 0x2800
_BITS = np.array([[0x01, 0x08], [0x02, 0x10], [0x04, 0x20], [0x40, 0x80]], np.uint32)


def blank(columns: int, rows: int) -> Dots:
    """Return an empty picture of `columns` by `rows` cells."""
    return np.zeros((4 * rows, 2 * columns), np.bool_)


def cells(dots: Dots) -> NDArray[np.uint32]:
    """Return the code point of each cell."""
    rows, columns = dots.shape[0] // 4, dots.shape[1] // 2
    blocks = dots.reshape(rows, 4, columns, 2)
    return np.einsum("rdck,dk->rc", blocks.astype(np.uint32), _BITS) + np.uint32(_BLANK)


def occupied(dots: Dots) -> NDArray[np.bool_]:
    """Return which cells hold a dot."""
    rows, columns = dots.shape[0] // 4, dots.shape[1] // 2
    return np.any(dots.reshape(rows, 4, columns, 2), axis=(1, 3))


def fill_between(dots: Dots, top: NDArray[np.int64], bottom: NDArray[np.int64]) -> None:
    """Set the dots of each column from `top` to `bottom`, both included; a negative `top` leaves a column alone."""
    height = np.arange(dots.shape[0])[:, None]
    dots |= (height >= top) & (height <= bottom) & (top >= 0)
