"""Both Philox generators, written apart, give the published answers."""

from collections.abc import Callable

import numpy as np
import pytest

from hil.kernels.random_words import fill_uniforms
from hil.kernels.random_words import philox4x32 as compiler_philox
from sim_instruments.physics.philox import philox4x32 as simulator_philox

# Known answers for Philox4x32-10 that the authors distribute with their reference code (Random123, kat_vectors).
KNOWN = [
    ((0, 0, 0, 0), (0, 0), (0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8)),
    ((0xFFFFFFFF,) * 4, (0xFFFFFFFF,) * 2, (0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD)),
    (
        (0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344),
        (0xA4093822, 0x299F31D0),
        (0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1),
    ),
]


@pytest.mark.parametrize("philox", [compiler_philox, simulator_philox], ids=["compiler", "simulator"])
@pytest.mark.parametrize(("counter", "key", "answer"), KNOWN)
def test_known_answers(philox: Callable[..., tuple[int, ...]], counter: tuple, key: tuple, answer: tuple):
    words = philox(*(np.uint32(word) for word in (*counter, *key)))
    assert tuple(int(word) for word in words) == answer


def test_streams_differ_by_step_purpose_seed_and_row():
    def row(number: int = 0, step: int = 0, purpose: int = 0, seed: int = 0) -> np.ndarray:
        uniforms = np.empty((4, 256), np.float32)
        fill_uniforms(uniforms, number, step, purpose, seed)
        return uniforms

    rows = [row(), row(number=1), row(step=1), row(step=1 << 32), row(purpose=1), row(seed=1), row(seed=1 << 32)]
    for index, one in enumerate(rows):
        assert one.min() >= 0
        assert one.max() < 1
        assert all(not np.array_equal(one, other) for other in rows[index + 1 :])
