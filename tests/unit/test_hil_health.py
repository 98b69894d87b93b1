"""Codes that no healthy device gives are counted where they are decoded."""

import numpy as np
import pytest

from hil.kernels.compile_update import decode


@pytest.mark.parametrize(
    ("lowest", "highest"), [(0, 65535), (1, 65534), (5000, 60000), (0, 100), (65000, 65535), (7, 7)]
)
@pytest.mark.parametrize("count", [1, 1023, 1024, 5000])
def test_decoding_counts_codes_outside_the_range(lowest: int, highest: int, count: int):
    generator = np.random.default_rng(count)
    codes = generator.integers(0, 65536, count).astype(np.uint16)
    edges = np.array([0, lowest - 1, lowest, lowest + 1, highest - 1, highest, highest + 1, 65535]) % 65536
    codes[: len(edges)] = edges[:count]
    weight = np.empty(count, np.float32)
    outside = decode(codes, 2.0, -1.0, weight, lowest, highest)
    assert outside == np.count_nonzero((codes < lowest) | (codes > highest))
    assert np.array_equal(weight, 2.0 * codes.astype(np.float32) - 1.0)


def test_a_row_full_of_strange_codes_is_counted_whole():
    codes = np.concatenate([np.zeros(3 * 1024, np.uint16), np.full(3 * 1024, 65535, np.uint16)])
    assert decode(codes, 1.0, 0.0, np.empty(len(codes), np.float32), 1, 65534) == len(codes)
