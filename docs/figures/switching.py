"""S-curves: the probability that a pulse frees a pinned wall, against current density, at several widths."""

import math

import matplotlib.pyplot as plt
import numpy as np
from drawing import COLOURS, panel_name, save
from narrow_track import THERMAL_J, narrow_track
from scipy import stats

from sim_instruments.physics.hopping.escape import crossing, escape_tables
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.hopping.samples import pulse_displacements
from sim_instruments.physics.hopping.washboard import hop_rates

SPACING_M = 50e-9
BARRIER_KT = 40.0
WIDTHS_S = (2e-9, 10e-9, 100e-9, 1e-6)
SHOTS = 1000


def draw():
    """Draw P(J), and ln(-ln(1 - P)) of the same shots: the scale on which single barriers are nearly straight."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.0))
    parameters = narrow_track(sites=20, spacing_m=SPACING_M, barrier_kt=BARRIER_KT, line_length_m=2e-6)
    per_volt = parameters.write_line.heavy_metal_current_density_a_m2(1.0)
    densities = np.linspace(1.5e11, 4.9e11, 300)
    for index, (width_s, colour) in enumerate(zip(WIDTHS_S, COLOURS, strict=False)):
        chances = np.array([_chance(parameters, density / per_volt, width_s) for density in densities])
        left.plot(densities / 1e11, chances, color=colour)
        right.plot(densities / 1e11, np.log(-np.log1p(-np.minimum(chances, 1 - 1e-15))), color=colour)
        inside = densities[(chances > 1e-3) & (chances < 1 - 1e-4)]
        points = np.linspace(inside[0], inside[-1], 12)
        label = f"{width_s * 1e9:.0f} ns" if width_s < 1e-6 else "1 µs"
        for number, density in enumerate(points):
            moved = pulse_displacements(parameters, density / per_volt, width_s, SHOTS, seed=100 * index + number + 1)
            freed = int(np.count_nonzero(moved > 0))
            low, high = _interval(freed)
            share = freed / SHOTS
            error = [[share - low], [high - share]]
            left.errorbar(
                density / 1e11, share, error, fmt="o", color=colour, lw=0.8, label=label if number == 0 else None
            )
            if 0 < freed < SHOTS:
                scaled = [math.log(-math.log1p(-value)) for value in (low, share, high)]
                right.errorbar(
                    density / 1e11,
                    scaled[1],
                    [[scaled[1] - scaled[0]], [scaled[2] - scaled[1]]],
                    fmt="o",
                    color=colour,
                    lw=0.8,
                )
    left.set(
        xlabel="current density in the W layer  ($10^{11}$ A/m$^2$)",
        ylabel="probability to leave the site",
        ylim=(-0.02, 1.04),
    )
    right.set(xlabel="current density in the W layer  ($10^{11}$ A/m$^2$)", ylabel="ln(−ln(1 − P))", ylim=(-7.2, 2.6))
    for axes, name in ((left, "a"), (right, "b")):
        axes.set_xlim(1.9, 4.9)
        panel_name(axes, name)
    left.legend(loc="lower right", title="pulse width")
    return save(figure, "switching")


def _chance(parameters: HoppingParameters, voltage_v: float, width_s: float) -> float:
    """Return the probability that the way over the barrier takes less than the pulse.

    A gamma law with the exact mean and dispersion of the tilted washboard, less the last stretch, from the top down. In
    deep wells it is 1 - exp(-r t).
    """
    work = parameters.force_per_volt_n_v * voltage_v * SPACING_M / THERMAL_J
    unit_s = parameters.friction_kg_s * SPACING_M**2 / THERMAL_J
    _, irregularity, lead = crossing(BARRIER_KT, work, escape_tables())
    mean_s = unit_s / hop_rates(BARRIER_KT, work)[0] * (1 - lead)
    return float(stats.gamma(1 / irregularity, scale=mean_s * irregularity).cdf(width_s))


def _interval(freed: int) -> tuple[float, float]:
    """Return Wilson's interval of one standard error."""
    found = stats.binomtest(freed, SHOTS).proportion_ci(0.6827, method="wilson")
    return found.low, found.high
