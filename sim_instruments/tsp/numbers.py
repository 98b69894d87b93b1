"""How a TSP instrument writes numbers: in the digits that `format.asciiprecision` asks for, or as raw floats."""

import math
from typing import Final

import numpy as np
from numpy.typing import NDArray

NOT_A_NUMBER: Final = 9.91e37
"""What stands for a value that is not there."""


def as_text(value: float, precision: int) -> str:
    """Return a number as `print` writes it: `1.00000e+00` with a precision of 6 digits."""
    if math.isnan(value):
        value = NOT_A_NUMBER
    elif math.isinf(value):
        value = math.copysign(9.9e37, value)
    return f"{value:.{precision - 1}e}"


def as_block(values: NDArray[np.float64], *, item_bytes: int, is_little_endian: bool) -> bytes:
    """Return numbers as the instrument's binary block: `#0`, then the floats; the end of the message ends them."""
    item = np.dtype(f"{'<' if is_little_endian else '>'}f{item_bytes}")
    with np.errstate(over="ignore"):
        return b"#0" + values.astype(item).tobytes()
