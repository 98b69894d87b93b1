"""Gamma, inverse Gaussian and Poisson numbers from the streams of random numbers.

Each function takes the number of the stream's first unused pair, `draw`, and returns its value and the number of the
next unused pair, so that draws are chained without a generator that anybody would have to keep. All of them are exact;
none depends on anything but its arguments.
"""

import math

import numba as nb

from sim_instruments.physics.stream import normal_pair, uniform_pair

_INVERSION_LIMIT = 10.0
_NEGLIGIBLE = 1e-17


@nb.njit(cache=True)
def gamma(shape: float, draw: int, device: int, event: int, purpose: int, seed: int) -> tuple[float, int]:
    """Return a gamma number of scale 1 and the next unused draw.

    Source: Marsaglia and Tsang, "A simple method for generating gamma variables", ACM TOMS 26, 363 (2000): a cube of a
    normal number accepted against the density; for shapes below 1 a number of shape + 1 times u^(1 / shape).

    Args:
        shape: above 0.
        draw: first unused pair of the stream.
        device: whose stream.
        event: which event's stream.
        purpose: which purpose's stream.
        seed: 64 bits.
    """
    whole = shape + 1.0 if shape < 1.0 else shape
    d = whole - 1.0 / 3.0
    c = 1.0 / math.sqrt(9.0 * d)
    while True:
        z, _ = normal_pair(draw, device, event, purpose, seed)
        u, spare = uniform_pair(draw + 1, device, event, purpose, seed)
        draw += 2
        cube = (1.0 + c * z) ** 3
        if cube <= 0.0:
            continue
        if u < 1.0 - 0.0331 * z**4 or math.log(u) < 0.5 * z * z + d * (1.0 - cube + math.log(cube)):
            break
    if shape < 1.0:
        return d * cube * math.exp(math.log(spare) / shape), draw
    return d * cube, draw


@nb.njit(cache=True)
def inverse_gaussian(
    mean: float, shape: float, draw: int, device: int, event: int, purpose: int, seed: int
) -> tuple[float, int]:
    """Return an inverse Gaussian number (variance mean^3 / shape) and the next unused draw.

    Source: Michael, Schucany and Haas, "Generating random variates using transformations with multiple roots", The
    American Statistician 30, 88 (1976). The smaller root is written as a quotient, which does not cancel.

    Args:
        mean: above 0.
        shape: lambda, above 0.
        draw: first unused pair of the stream.
        device: whose stream.
        event: which event's stream.
        purpose: which purpose's stream.
        seed: 64 bits.
    """
    z, _ = normal_pair(draw, device, event, purpose, seed)
    u, _ = uniform_pair(draw + 1, device, event, purpose, seed)
    r = 0.5 * mean * z * z / shape
    ratio = 1.0 + r + math.sqrt(r * (2.0 + r))
    # The smaller root is mean / ratio, the other mean * ratio; the smaller has probability mean / (mean + root).
    if u * (1.0 + 1.0 / ratio) <= 1.0:
        return mean / ratio, draw + 2
    return mean * ratio, draw + 2


@nb.njit(cache=True)
def poisson(mean: float, draw: int, device: int, event: int, purpose: int, seed: int) -> tuple[float, int]:
    """Return a Poisson number, as a float, and the next unused draw.

    Source: W. Hoermann, "The transformed rejection method for generating Poisson random variables", Insurance:
    Mathematics and Economics 12, 39 (1993), algorithm PTRS, for means of 10 and more; sequential inversion below.

    Args:
        mean: 0 or above.
        draw: first unused pair of the stream.
        device: whose stream.
        event: which event's stream.
        purpose: which purpose's stream.
        seed: 64 bits.
    """
    if mean < _INVERSION_LIMIT:
        u, _ = uniform_pair(draw, device, event, purpose, seed)
        return _poisson_by_inversion(mean, u), draw + 1
    b = 0.931 + 2.53 * math.sqrt(mean)
    a = -0.059 + 0.02483 * b
    log_scale = math.log(1.1239 + 1.1328 / (b - 3.4))
    inner = 0.9277 - 3.6224 / (b - 2.0)
    log_mean = math.log(mean)
    while True:
        u, v = uniform_pair(draw, device, event, purpose, seed)
        draw += 1
        u -= 0.5
        edge = 0.5 - abs(u)
        k = math.floor((2.0 * a / edge + b) * u + mean + 0.43)
        if edge >= 0.07 and v <= inner:
            return float(k), draw
        if k < 0 or (edge < 0.013 and v > edge):
            continue
        hat = log_scale - math.log(a / (edge * edge) + b)
        if math.log(v) + hat <= k * log_mean - mean - math.lgamma(k + 1.0):
            return float(k), draw


@nb.njit(cache=True)
def _poisson_by_inversion(mean: float, u: float) -> float:
    count = 0.0
    term = math.exp(-mean)
    # A term that no longer counts ends the search where rounding keeps the sum of all terms below u.
    while u > term and term > _NEGLIGIBLE:
        u -= term
        count += 1.0
        term *= mean / count
    return count
