"""Closed forms of an overdamped wall in the tilted washboard V0 sin^2(pi q / p) - F q.

Everything here is in reduced units: energies in kT, lengths in p, times in zeta p^2 / kT. Two numbers are left, the
barrier g = V0 / kT and the work a = F p / kT that the force does over one spacing. A rate times kT / (zeta p^2), a
velocity times kT / (zeta p) and a diffusion coefficient times kT / zeta are in SI units. The force at which the
barriers vanish is a = pi g; the tilt is f = a / (pi g).

Sources: H. A. Kramers, Physica 7, 284 (1940); R. L. Stratonovich, Topics in the Theory of Random Noise II (1967),
chapter 9; V. Ambegaokar and B. I. Halperin, PRL 22, 1364 (1969); P. Reimann et al., PRL 87, 010602 (2001).
"""

from itertools import pairwise

import numpy as np
from numpy.typing import ArrayLike, NDArray


def relative_barrier(tilt: ArrayLike) -> NDArray[np.float64]:
    """Return the height of a barrier against a hop along the force, in units of V0: sqrt(1 - f^2) - f arccos f.

    Negative tilts give the barrier against the force. From f = 1 on there is none.

    Args:
        tilt: f, not below -1.
    """
    f = np.minimum(np.asarray(tilt, np.float64), 1.0)
    return np.sqrt(1 - f * f) - f * np.arccos(f)


def kramers_rates(barrier_kt: ArrayLike, work_kt: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the hop rates along and against the force: pi g sqrt(1 - f^2) exp(-E_b).

    Their ratio is exp(a) exactly. Holds for barriers of several kT. Too large without a force by a share 1 / (2 g), and
    by about twice that for a barrier brought to the same height by a force; 6 to 8 % at barriers of 5.5 to 10 kT.

    Args:
        barrier_kt: g.
        work_kt: a, below pi g in magnitude.
    """
    g, a = np.asarray(barrier_kt, np.float64), np.asarray(work_kt, np.float64)
    tilt = a / (np.pi * g)
    attempts = np.pi * g * np.sqrt(1 - tilt * tilt)
    return attempts * np.exp(-g * relative_barrier(tilt)), attempts * np.exp(-g * relative_barrier(-tilt))


def mobility(barrier_kt: float, work_kt: float) -> float:
    """Return the mean velocity as a share of that of a free wall, exact for every barrier and force.

    Stratonovich's double integral, of which one is a Bessel function:
    v = (1 - e^-a) / int_0^1 I_0(g sin(pi y)) e^(-a y) dy.

    Args:
        barrier_kt: g.
        work_kt: a; its sign does not matter.
    """
    a = abs(work_kt)
    shift = barrier_kt * float(relative_barrier(a / (np.pi * barrier_kt))) if barrier_kt else 0.0
    free = -np.expm1(-a) / a if a else 1.0
    return free * np.exp(-shift) / _scaled_integral(barrier_kt, a, shift)


def velocity(barrier_kt: float, work_kt: float) -> float:
    """Return the mean velocity, exact, with the sign of the force."""
    return work_kt * mobility(barrier_kt, work_kt)


def hop_rates(barrier_kt: float, work_kt: float) -> tuple[float, float]:
    """Return the rates along and against the force of the chain that has the exact velocity and detailed balance.

    Their difference is `velocity`, their ratio exp(a).
    """
    share = mobility(barrier_kt, work_kt)
    return share * _bernoulli(-work_kt), share * _bernoulli(work_kt)


def diffusion(barrier_kt: float, work_kt: float) -> float:
    """Return the diffusion coefficient about the mean motion, exact: <I+^2 I-> / <I+>^3.

    I+-(x) = int_0^1 exp{+-V(x) -+ V(x -+ y) - a y} dy. Meant for barriers up to about 100 kT.
    """
    from scipy.integrate import quad_vec

    g, a = barrier_kt, abs(work_kt)
    x = np.arange(256) / 256  # the rectangle rule converges exponentially on a period

    def integrand(y: float) -> NDArray[np.float64]:
        here = np.sin(np.pi * x) ** 2
        before, after = np.sin(np.pi * (x - y)) ** 2, np.sin(np.pi * (x + y)) ** 2
        return np.stack([np.exp(g * (here - before) - a * y), np.exp(g * (after - here) - a * y)])

    forward, backward = quad_vec(integrand, 0.0, 1.0, epsrel=1e-9, epsabs=0.0, norm="max")[0]
    return float(np.mean(forward**2 * backward) / np.mean(forward) ** 3)


def share_before_top(tilt: float) -> float:
    """Return the share of its time that a running wall spends before the top of the untilted barrier.

    1/2 + arcsin(1/f) / pi: a wall whose drive ends before this share of a crossing has passed falls back. 1 for f <= 1.
    """
    return 0.5 + float(np.arcsin(1 / tilt)) / np.pi if tilt > 1 else 1.0


def _bernoulli(x: float) -> float:
    """Return x / (e^x - 1), without overflow."""
    return x * float(np.exp(-max(x, 0.0))) / float(-np.expm1(-abs(x)) * np.sign(x)) if x else 1.0


def _scaled_integral(barrier_kt: float, work_kt: float, shift: float) -> float:
    """Return e^-shift int_0^1 I_0(g sin(pi y)) e^(-a y) dy."""
    from scipy.integrate import quad
    from scipy.special import i0e

    def integrand(root: float) -> float:
        y = root * root  # much of it may lie near y = 0
        argument = barrier_kt * np.sin(np.pi * y)
        return 2 * root * float(i0e(argument)) * np.exp(argument - work_kt * y - shift)

    # Where the integrand may be sharp: at its peak inside, or at y = 0, where it falls over a length 1 / a.
    tilt = work_kt / (np.pi * barrier_kt) if barrier_kt else np.inf
    peak = float(np.sqrt(np.arccos(min(tilt, 1.0)) / np.pi))
    edges = sorted({0.0, peak, min(4 / np.sqrt(1 + work_kt), 1.0), 1.0})
    return sum(quad(integrand, low, high, epsrel=1e-9, epsabs=1e-300)[0] for low, high in pairwise(edges))
