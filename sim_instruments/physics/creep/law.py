"""Velocity of an elastic wall in a film with weak disorder, from creep to flow.

Below the depinning drive H_d the wall creeps over barriers that diverge as the drive goes to zero,

    v = v_d exp{-(T_d / T) [(H / H_d)^-mu - 1]},        mu = 1/4,

at H_d thermal motion rounds the transition, and above it disorder matters ever less,

    v_d = x_0 v_T (T / T_d)^psi        v = v_T (H / H_d - 1)^beta,        psi = 0.15, beta = 0.25, x_0 = 0.65.

Sources: V. Jeudy et al., PRL 117, 057201 (2016) for the creep barrier, R. Diaz Pardo et al., PRB 95, 184434 (2017) and
V. Jeudy et al., PRB 98, 054406 (2018) for the depinning function and its constants. Published exponents differ:
beta 0.25 to 0.33, psi 0.15 to 0.2. In the flow regime the wall is as fast as in a perfect film,

    v_f = [(mobility H)^-2 + v_sat^-2]^-1/2,

which is the exact steady state of a wall under spin-orbit torque held by the DMI, v_sat = (pi/2) |gamma| D / M_s.

The branches are joined by rules of thumb that are in no paper: above H_d the pinned velocity is (v_d^k + v^k)^(1/k)
with k = 4, and everywhere 1 / v = w / v_pinned + 1 / v_f, where w = 1 below H_d and (H_d / H)^2 above it. Without w the
velocity would never reach that of the flow regime, because the depinning function grows with the fourth root only.

A drive may be a field or a current density, as long as H, H_d and the mobility agree.
"""

import math
from typing import NamedTuple


class VelocityLaw(NamedTuple):
    """The numbers of the law; a named tuple, because compiled code takes it as it is."""

    depinning_drive: float
    """H_d, in the unit of the drive."""
    depinning_temperature_k: float
    """T_d: the height of the pinning barriers."""
    depinning_velocity_m_s: float
    """v_T: the velocity scale of depinning."""
    mobility: float = math.inf
    """Flow velocity over drive, m/s over the unit of the drive; infinite: no limit by flow."""
    saturation_velocity_m_s: float = math.inf
    """v_sat; infinite: the flow velocity does not saturate."""
    creep_exponent: float = 0.25
    """mu."""
    depinning_exponent: float = 0.25
    """beta."""
    rounding_exponent: float = 0.15
    """psi."""
    rounding_factor: float = 0.65
    """x_0."""
    join_power: float = 4.0
    """k."""
    washout_power: float = 2.0
    """w = (H_d / H)^washout_power."""
