"""Step laws: how the displacement by one pulse is distributed, and the sum of many pulses in one draw.

Every law has the mean and the variance that the compact model's parameters give one pulse, mean mu and variance ell mu
with the Fano length ell, and is closed under convolution, so that the sum of N pulses is one draw, whatever N:

    gamma               shape N mu / ell, scale ell: many pinning sites in a row
    inverse-gaussian    mean N mu, shape N^2 mu^2 / ell: first passage of drift and diffusion
    poisson             ell times a Poisson number of mean N mu / ell: hops over sites a Fano length apart
    compound-poisson    a Poisson number h of hops, mean N mu / m, whose lengths are gamma numbers of mean m and
                        coefficient of variation c; m = ell / (1 + c^2), and their sum is gamma of shape h / c^2

Skewness of one step is s sqrt(ell / mu), with s = 2, 3, 1 and (1 + 2 c^2) / (1 + c^2); of N steps, that over sqrt(N).
"""

import math
from typing import Final

import numba as nb

from sim_instruments.physics.variates import gamma, inverse_gaussian, poisson

GAUSSIAN: Final = 0
GAMMA: Final = 1
INVERSE_GAUSSIAN: Final = 2
POISSON: Final = 3
COMPOUND_POISSON: Final = 4

CODES: Final = {
    "gaussian": GAUSSIAN,
    "gamma": GAMMA,
    "inverse-gaussian": INVERSE_GAUSSIAN,
    "poisson": POISSON,
    "compound-poisson": COMPOUND_POISSON,
}
"""The laws' names in a bench file, and their numbers in a compiled loop."""


def skewness(law: str, mean: float, fano: float, hop_cv: float) -> float:
    """Return the skewness of one step.

    Args:
        law: one of `CODES`.
        mean: mu.
        fano: ell, in the unit of mu.
        hop_cv: c, for compound-poisson.
    """
    factor = {
        "gaussian": 0.0,
        "gamma": 2.0,
        "inverse-gaussian": 3.0,
        "poisson": 1.0,
        "compound-poisson": (1 + 2 * hop_cv**2) / (1 + hop_cv**2),
    }[law]
    return factor * math.sqrt(fano / mean)


@nb.njit(cache=True)
def sum_of_steps(
    law: int,
    mean: float,
    fano: float,
    hop_cv: float,
    draw: int,
    device: int,
    event: int,
    purpose: int,
    seed: int,
) -> tuple[float, int]:
    """Return the summed displacement of pulses and the next unused draw of the device's stream.

    Args:
        law: one of the numbers in `CODES`, not the Gaussian's.
        mean: N mu, the mean of the sum.
        fano: ell, in the unit of the mean.
        hop_cv: c, above 0 for the compound law.
        draw: first unused pair of the stream.
        device: whose stream.
        event: which event's stream.
        purpose: which purpose's stream.
        seed: 64 bits.
    """
    if mean <= 0.0:
        return 0.0, draw
    if law == GAMMA:
        value, draw = gamma(mean / fano, draw, device, event, purpose, seed)
        return fano * value, draw
    if law == INVERSE_GAUSSIAN:
        # N^2 mu^2 / ell: the number of pulses is in the mean already.
        return inverse_gaussian(mean, mean * mean / fano, draw, device, event, purpose, seed)
    if law == POISSON:
        hops, draw = poisson(mean / fano, draw, device, event, purpose, seed)
        return fano * hops, draw
    hop = fano / (1.0 + hop_cv * hop_cv)
    hops, draw = poisson(mean / hop, draw, device, event, purpose, seed)
    if hops == 0.0 or hop_cv == 0.0:
        return hop * hops, draw
    value, draw = gamma(hops / (hop_cv * hop_cv), draw, device, event, purpose, seed)
    return hop * hop_cv * hop_cv * value, draw
