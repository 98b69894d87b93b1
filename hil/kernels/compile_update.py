"""The compiler's inner loop: drift and noise of every weight to push and pull counts.

Per weight, with LSB mu (mean displacement of one pulse), variances v+ and v- of a push and a pull, and noise target
s^2:

    x = d / mu,  l = floor x,  f = x - l      K = l + Bernoulli(f)          E[K] mu = d
    c(K) = K v+ (K >= 0) or |K| v- (K < 0)                                  noise that comes with K
    V = s^2 - mu^2 f (1 - f)                                                noise still wanted
    M(K) doublets of one push and one pull, mean 0 and variance v+ + v- each, such that E[c + M (v+ + v-)] = V:
        V >= max c          M(K) = (V - c(K)) / (v+ + v-)
        else                none with the costlier K; the rest, if any is wanted, with the other
    m = stochastic rounding of M               n+ = max(K, 0) + m,  n- = max(-K, 0) + m

The mean is always exact. The variance is exact if s^2 >= mu^2 f (1 - f) + E[c]; otherwise it is that smallest value.
This is the variance-corrected scheme of Zhang, Wilson and De Sa (ICML 2022) carried over to pulses that bring noise of
their own.
"""

import numba as nb
import numpy as np

from hil.kernels.random_words import BLOCK, LANE, fill_uniforms

_ROUNDING_PURPOSE = 16
_DOUBLET_PURPOSE = 17

STATISTICS = 6
"""Columns of the statistics: pushes, pulls, infeasible, clipped, saturated, compiled variance."""


@nb.njit(parallel=True, error_model="numpy", fastmath={"contract", "nsz", "arcp", "reassoc", "nnan"}, cache=True)
def compile_rows(
    drift: np.ndarray,
    first: int,
    lsb: np.float32,
    push_variance: np.float32,
    pull_variance: np.float32,
    noise_variance: np.float32,
    largest_net: np.float32,
    largest_count: np.float32,
    step: int,
    seed: int,
    push: np.ndarray,
    pull: np.ndarray,
    statistics: np.ndarray,
) -> None:
    """Compile the updates of one layer.

    Args:
        drift: float32, shape (n,): wanted mean change.
        first: first device; a multiple of 1024.
        lsb: mu, in the unit of `drift`.
        push_variance: v+, in that unit squared.
        pull_variance: v-.
        noise_variance: s^2.
        largest_net: largest |K|.
        largest_count: largest n+ and n-.
        step: keys the random numbers.
        seed: keys the random numbers.
        push: uint8, shape (n,), overwritten.
        pull: uint8, shape (n,), overwritten.
        statistics: float64, shape (rows, 6), overwritten: sums per row of 1024 devices in the order of `STATISTICS`.
    """
    count = drift.shape[0]
    doublet_variance = push_variance + pull_variance
    zero, one = np.float32(0.0), np.float32(1.0)
    per_lsb, per_doublet = one / lsb, one / doublet_variance
    for row in nb.prange(statistics.shape[0]):
        low, high = row * BLOCK, min(count, (row + 1) * BLOCK)
        rounding, doubling = np.empty((4, LANE), np.float32), np.empty((4, LANE), np.float32)
        fill_uniforms(rounding, first // BLOCK + row, step, _ROUNDING_PURPOSE, seed)
        fill_uniforms(doubling, first // BLOCK + row, step, _DOUBLET_PURPOSE, seed)
        u, v = rounding.ravel(), doubling.ravel()
        d, n, k = drift[low:high], push[low:high], pull[low:high]
        pushes, pulls, infeasible, clipped, saturated, variance = zero, zero, zero, zero, zero, zero
        # Straight-line arithmetic with selections only: a branch would cost the vector instructions.
        for i in range(high - low):
            x = d[i] * per_lsb
            bounded = min(largest_net, max(-largest_net, x))
            floor = np.floor(bounded)
            f = bounded - floor
            low_cost = max(floor * push_variance, -floor * pull_variance)
            high_cost = max((floor + one) * push_variance, -(floor + one) * pull_variance)
            rounding_variance = lsb * lsb * f * (one - f)
            wanted = noise_variance - rounding_variance
            high_is_costly = one if high_cost >= low_cost else zero
            costly, cheap = max(low_cost, high_cost), min(low_cost, high_cost)
            p_costly = high_is_costly * f + (one - high_is_costly) * (one - f)
            p_cheap = one - p_costly
            left_for_cheap = (
                (wanted - p_costly * costly) / max(p_cheap, np.float32(1e-9)) if wanted < costly else wanted
            )
            m_costly = max(zero, wanted - costly) * per_doublet
            m_cheap = max(zero, left_for_cheap - cheap) * per_doublet
            goes_high = one if u[i] < f else zero
            net = floor + goes_high
            doublets = m_costly if goes_high == high_is_costly else m_cheap
            room = largest_count - abs(net)
            rounded = np.floor(doublets + v[i])
            fired = min(rounded, room)
            up, down = max(net, zero) + fired, max(-net, zero) + fired
            pushes += up
            pulls += down
            infeasible += one if wanted < p_costly * costly + p_cheap * cheap else zero
            clipped += one if bounded != x else zero
            saturated += one if rounded > room else zero
            variance += rounding_variance + p_costly * (costly + min(m_costly, room) * doublet_variance)
            variance += p_cheap * (cheap + min(m_cheap, room) * doublet_variance)
            n[i] = np.uint8(np.int32(up))
            k[i] = np.uint8(np.int32(down))
        statistics[row, 0], statistics[row, 1], statistics[row, 2] = pushes, pulls, infeasible
        statistics[row, 3], statistics[row, 4], statistics[row, 5] = clipped, saturated, variance


@nb.njit(parallel=True, fastmath={"contract", "nsz"}, cache=True)
def write_drift(
    drift: np.ndarray,
    gradient: np.ndarray,
    weight: np.ndarray,
    step_size: float,
    weight_decay: float,
    peaks: np.ndarray,
) -> None:
    """Write `-step_size * (gradient + weight_decay * weight)` into `drift`, each row's largest magnitude into `peaks`.

    Args:
        drift: float32, shape (n,), overwritten; may be the same memory as `gradient`.
        gradient: float32, shape (n,).
        weight: float32, shape (n,).
        step_size: eta.
        weight_decay: lambda.
        peaks: float32, shape (rows,), overwritten; NaN for a row with a drift that is not finite.
    """
    eta, decay = np.float32(-step_size), np.float32(weight_decay)
    for row in nb.prange(peaks.shape[0]):
        low, high = row * BLOCK, min(drift.shape[0], (row + 1) * BLOCK)
        d, g, w = drift[low:high], gradient[low:high], weight[low:high]
        peak, poison = np.float32(0.0), np.float32(0.0)
        for i in range(high - low):
            value = eta * (g[i] + decay * w[i])
            d[i] = value
            peak = max(peak, abs(value))
            poison += value * np.float32(0.0)  # 0, or NaN once and for all
        peaks[row] = peak + poison


@nb.njit(parallel=True, cache=True)
def decode(codes: np.ndarray, scale: float, offset: float, weight: np.ndarray, lowest: int, highest: int) -> int:
    """Write `offset + scale * code` into `weight`, and return how many codes lie outside a range.

    Args:
        codes: uint16, shape (n,).
        scale: weight of one code.
        offset: weight at code 0.
        weight: float32, shape (n,), overwritten.
        lowest: smallest code of the range.
        highest: largest code of it.
    """
    a, b = np.float32(scale), np.float32(offset)
    low_code, width = np.uint16(lowest), np.uint16(highest - lowest)
    outside = 0
    for row in nb.prange((codes.shape[0] + BLOCK - 1) // BLOCK):
        low, high = row * BLOCK, min(codes.shape[0], (row + 1) * BLOCK)
        c, w = codes[low:high], weight[low:high]
        for i in range(high - low):
            w[i] = b + a * np.float32(c[i])
        # A row has 1024 codes: 16 bits hold their number, and one comparison of wrapped differences does for both ends.
        strange = np.uint16(0)
        for i in range(high - low):
            strange += np.uint16(np.uint16(c[i] - low_code) > width)
        outside += int(strange)
    return outside
