"""How fast, and how regularly, a wall crosses one barrier: tables of the exact closed forms for inner loops.

A bond between two sites is one period of a tilted washboard (see `washboard`): barrier g = V0 / kT, work a = F p / kT.
The hop rates along and against the force are

    r+ = Q a / (1 - e^-a),   r- = Q a / (e^a - 1)      in units of kT / (zeta p^2),

so r+ / r- = e^a whatever Q is, and with Q the mobility as a share of a free wall's, r+ - r- is Stratonovich's velocity
at every force. In deep wells this is Kramers' law; it has no gap where the barrier vanishes.

Deep wells forget: the time to the next hop is exponential. A wall that runs over vanished barriers crosses them like
clockwork, blurred by thermal noise. In between, the time to the next hop is taken as a gamma number with the squared
coefficient of variation c that gives the chain Reimann's diffusion coefficient: with m = tanh(a / 2),

    c = (2 D m / v - 1 + m^2) / m^2.

A hop counts when the wall reaches the next site, but from the top of the untilted barrier on it would get there without
the force, too. The lead is the share of a waiting time that it spends beyond; with U(x) = V(x) - a x, in units of kT,

    lead = (v / m) int_1/2^1 dx int_x^1 dy exp{U(y) - U(x)},

0 in deep wells, 1/2 - arcsin(1 / f) / pi over vanished barriers without noise, 1/2 for a free wall.

Tables run over ln g and w = a / (a + pi g), so that w = 0 is no force, 1/2 the force at which the barrier vanishes and
1 a free wall. Interpolation errors are below 1e-3 of a rate up to g = 100 and 5e-3 up to g = 400.
"""

import math
from functools import cache
from typing import NamedTuple

import numba as nb
import numpy as np
from numpy.typing import NDArray

_LOG_LOWEST = math.log(1 / 4)
_LOG_STEP = 1 / 8
_BARRIERS = 68
_FORCES = 321

_CLOCK_EVERY = 2
_CLOCK_POINTS = 400
_CERTAINLY_FORGETS_KT = 25.0
_LEAST_WORK = 0.3


class EscapeTables(NamedTuple):
    """Tables over (ln g, w); those after the first have every other row and column of its grid."""

    log_mobility: NDArray[np.float64]
    """ln Q."""
    irregularity: NDArray[np.float64]
    """c, 1 for a wall that forgets, 0 for clockwork."""
    lead: NDArray[np.float64]


@cache
def escape_tables() -> EscapeTables:
    """Return the tables, computed at the first call of a process in about a second."""
    barriers = np.exp(_LOG_LOWEST + _LOG_STEP * np.arange(_BARRIERS))
    shares = np.arange(_FORCES) / (_FORCES - 1)
    log_mobility = _log_mobility(barriers, shares)
    coarse = log_mobility[::_CLOCK_EVERY, ::_CLOCK_EVERY]
    irregularity, lead = np.ones(coarse.shape), np.zeros(coarse.shape)
    _fill_clock(irregularity, lead, coarse, barriers[::_CLOCK_EVERY], shares[::_CLOCK_EVERY])
    return EscapeTables(log_mobility=log_mobility, irregularity=irregularity, lead=lead)


def _log_mobility(barriers: NDArray[np.float64], shares: NDArray[np.float64]) -> NDArray[np.float64]:
    from scipy.special import i0e

    nodes, weights = np.polynomial.legendre.leggauss(240)
    root = (nodes + 1) / 2
    y, weights = root**2, weights * root  # much of the integrals may lie near y = 0
    table = np.zeros((len(barriers), len(shares)))
    for row, g in zip(table, barriers, strict=True):
        argument = g * np.sin(np.pi * y)
        bessel = weights * i0e(argument)
        work = np.pi * g * shares[:-1] / (1 - shares[:-1])
        exponent = argument - work[:, None] * y
        shift = exponent.max(axis=1)
        log_integral = np.log(np.exp(exponent - shift[:, None]) @ bessel) + shift
        free = np.ones(len(work))
        free[1:] = -np.expm1(-work[1:]) / work[1:]
        row[:-1] = np.log(free) - log_integral
    return table


@nb.njit(parallel=True, error_model="numpy", cache=True)
def _fill_clock(
    irregularity: np.ndarray, lead: np.ndarray, log_mobility: np.ndarray, barriers: np.ndarray, shares: np.ndarray
) -> None:
    last = len(shares) - 1
    for i in nb.prange(len(barriers)):
        forward, backward = np.empty(_CLOCK_POINTS), np.empty(_CLOCK_POINTS)
        g = barriers[i]
        for j in range(last):
            # The limit of no force cancels numerically; both are even in the force, so a small one is as good.
            work = max(math.pi * g * shares[j] / (1.0 - shares[j]), _LEAST_WORK)
            tilt = work / (math.pi * g)
            if tilt < 1.0 and g * (math.sqrt(1 - tilt**2) - tilt * math.acos(tilt)) > _CERTAINLY_FORGETS_KT:
                continue
            irregularity[i, j] = _irregularity_at(g, work, forward, backward)
            lead[i, j] = math.exp(log_mobility[i, j]) * work / math.tanh(0.5 * work) * _time_beyond(g, work)
        irregularity[i, last], lead[i, last] = 0.0, 0.5


@nb.njit(error_model="numpy", cache=True)
def _irregularity_at(barrier: float, work: float, forward: np.ndarray, backward: np.ndarray) -> float:
    _period_integrals(barrier, work, forward)
    # V(-x) = V(x): the integral that looks ahead at x is the one that looks back at -x, of the potential turned over.
    _period_integrals(-barrier, work, backward)
    n = len(forward)
    first, mixed = 0.0, 0.0
    for k in range(n):
        first += forward[k] / n
        mixed += forward[k] ** 2 * backward[(n - k) % n] / n
    fano = 2.0 * mixed / first**2 / -math.expm1(-work)
    m = math.tanh(0.5 * work)
    return min(1.0, max(0.0, (fano * m - 1.0 + m * m) / (m * m)))


@nb.njit(error_model="numpy", cache=True)
def _time_beyond(barrier: float, work: float) -> float:
    """Return int_1/2^1 dx int_x^1 dy exp{U(y) - U(x)}, by a recursion of positive terms downwards from x = 1."""
    step = 0.5 / _CLOCK_POINTS
    inner, outer = 0.0, 0.0
    after = 0.0
    for k in range(_CLOCK_POINTS):
        before = barrier * math.sin(math.pi * step * (k + 1)) ** 2
        slope = after - before - work * step
        outer += 0.5 * step * inner
        inner = inner * math.exp(slope) + step * (math.expm1(slope) / slope if slope != 0.0 else 1.0)
        outer += 0.5 * step * inner
        after = before
    return outer


@nb.njit(error_model="numpy", cache=True)
def _period_integrals(barrier: float, work: float, integrals: np.ndarray) -> None:
    """Write I(x) = int_0^1 exp{V(x) - V(x - y) - a y} dy at evenly spaced x.

    Over 0 <= y < infinity the integral J obeys a recursion of positive terms, J(x + h) = J(x) e^s + h (e^s - 1) / s
    with s = V(x + h) - V(x) - a h, and I = (1 - e^-a) J because the period repeats.
    """
    n = len(integrals)
    # A lap that starts from nothing comes short of its periodic end by the factor 1 - e^-a; the next one is exact.
    total = 0.0
    for lap in range(2):
        here = 0.0
        for k in range(n):
            ahead = barrier * math.sin(math.pi * (k + 1) / n) ** 2
            slope = ahead - here - work / n
            total = total * math.exp(slope) + (math.expm1(slope) / slope if slope != 0.0 else 1.0) / n
            here = ahead
            if lap == 1:
                integrals[(k + 1) % n] = total * -math.expm1(-work)
        if lap == 0:
            total /= -math.expm1(-work)


@nb.njit(error_model="numpy", cache=True)
def crossing(barrier_kt: float, work_kt: float, tables: EscapeTables) -> tuple[float, float, float]:
    """Return Q, c and the lead of a bond.

    Args:
        barrier_kt: g, above 0.
        work_kt: a; its sign does not matter.
        tables: from `escape_tables`.
    """
    a = abs(work_kt)
    row = (math.log(barrier_kt) - _LOG_LOWEST) / _LOG_STEP
    soft = 1.0
    if row < 0.0:
        soft = (barrier_kt / math.exp(_LOG_LOWEST)) ** 2  # a ripple slows a wall by the square of its height
        row = 0.0
    row = min(row, _BARRIERS - 1.0)
    column = a / (a + math.pi * barrier_kt) * (_FORCES - 1)
    log_mobility = _cubic(tables.log_mobility, row, column)
    irregularity = _linear(tables.irregularity, row / _CLOCK_EVERY, column / _CLOCK_EVERY)
    lead = _linear(tables.lead, row / _CLOCK_EVERY, column / _CLOCK_EVERY)
    return math.exp(soft * log_mobility), irregularity, lead


@nb.njit(error_model="numpy", cache=True)
def _cubic(table: np.ndarray, row: float, column: float) -> float:
    """Interpolate by the cubic through the four nearest grid lines, in both directions."""
    i = min(max(int(row) - 1, 0), table.shape[0] - 4)
    j = min(max(int(column) - 1, 0), table.shape[1] - 4)
    r0, r1, r2, r3 = _lagrange(row - i)
    c0, c1, c2, c3 = _lagrange(column - j)
    a = table[i]
    b = table[i + 1]
    c = table[i + 2]
    d = table[i + 3]
    return (
        r0 * (c0 * a[j] + c1 * a[j + 1] + c2 * a[j + 2] + c3 * a[j + 3])
        + r1 * (c0 * b[j] + c1 * b[j + 1] + c2 * b[j + 2] + c3 * b[j + 3])
        + r2 * (c0 * c[j] + c1 * c[j + 1] + c2 * c[j + 2] + c3 * c[j + 3])
        + r3 * (c0 * d[j] + c1 * d[j + 1] + c2 * d[j + 2] + c3 * d[j + 3])
    )


@nb.njit(error_model="numpy", cache=True)
def _lagrange(x: float) -> tuple[float, float, float, float]:
    """Return the weights of the values at 0, 1, 2, 3 in the cubic through them."""
    return (
        -(x - 1) * (x - 2) * (x - 3) / 6,
        x * (x - 2) * (x - 3) / 2,
        -x * (x - 1) * (x - 3) / 2,
        x * (x - 1) * (x - 2) / 6,
    )


@nb.njit(error_model="numpy", cache=True)
def _linear(table: np.ndarray, row: float, column: float) -> float:
    i = min(int(row), table.shape[0] - 2)
    j = min(int(column), table.shape[1] - 2)
    y, x = min(row - i, 1.0), min(column - j, 1.0)
    return (1 - y) * ((1 - x) * table[i, j] + x * table[i, j + 1]) + y * (
        (1 - x) * table[i + 1, j] + x * table[i + 1, j + 1]
    )
