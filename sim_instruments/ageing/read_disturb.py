"""Read disturb: every reading of a device may drive its wall a hop on.

What counts is how often a device is read, not in how many calls: hops are Poisson numbers, one reading at a time or
many at once, one device or a range. A range of n devices read once gives a Poisson number of hops of mean n times that
of one, each at a device of the range at random.
"""

from typing import final

import numba as nb
import numpy as np
from numpy.typing import NDArray

from sim_instruments.ageing.hops import stopped
from sim_instruments.ageing.parameters import ReadDisturbParameters
from sim_instruments.physics.stream import uniform_pair
from sim_instruments.physics.variates import poisson

_PURPOSE = 24
_REVERSE_PURPOSE = 27


@final
class ReadDisturb:
    """What readings do to the walls of one sample.

    Args:
        parameters: how often, how far and which way.
        track_length_m: length of the tracks.
        seed: of the sample.
    """

    def __init__(self, parameters: ReadDisturbParameters, track_length_m: float, seed: int) -> None:
        self._parameters = parameters
        hop = parameters.hop_length_m / track_length_m
        self._step = hop if parameters.toward == "push" else -hop
        self._in_array = parameters.hops_per_read
        self._seed = seed

    def read_range(self, position: NDArray[np.float32], first: int, count: int, event: int) -> None:
        """Note one read-out of `count` devices from `first` on by the array. Moves walls."""
        _disturb(position[first : first + count], self._in_array * count, self._step, event, _PURPOSE, self._seed)

    def read_selected(self, position: NDArray[np.float32], devices: NDArray[np.uint32], event: int) -> None:
        """Note one read-out of these devices by the array. Moves walls."""
        chosen = position[devices]
        _disturb(chosen, self._in_array * len(devices), self._step, event, _PURPOSE, self._seed)
        position[devices] = chosen

    def measure(self, position: NDArray[np.float32], device: int, voltages_v: NDArray[np.float64], event: int) -> None:
        """Note a reading of one device at each of these voltages by a meter. Moves its wall."""
        for sign, purpose in ((1, _PURPOSE), (-1, _REVERSE_PURPOSE)):
            mean = self._parameters.mean_hops(voltages_v[voltages_v * sign > 0])
            if mean > 0:
                _disturb(position[device : device + 1], mean, sign * self._step, event, purpose, self._seed)


@nb.njit(cache=True)
def _disturb(position, mean_hops, step, event, purpose, seed):
    hops, _ = poisson(mean_hops, 0, 0, event, purpose, seed)
    for index in range(int(hops)):
        u, _ = uniform_pair(index, 1, event, purpose, seed)
        device = int(u * position.shape[0])
        position[device] = np.float32(stopped(float(position[device]) + step))
