"""Fano length, variance over mean of a displacement, against current density: hopping, running, flowing."""

import matplotlib.pyplot as plt
import numpy as np
from drawing import COLOURS, FAINT, INK, save
from narrow_track import THERMAL_J, narrow_track

from sim_instruments.physics.hopping.langevin import endpoints
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.hopping.renewal import hop_fano_length_m, least_fano_length_m
from sim_instruments.physics.hopping.samples import pulse_displacements
from sim_instruments.physics.hopping.washboard import diffusion, hop_rates, velocity

SPACING_M = 25e-9
BARRIER_KT = 10.0
WALLS = 8000


def draw():
    """Draw theory as lines; points are walls of the hopping model, and free walls by brute force."""
    parameters = narrow_track(sites=2000, spacing_m=SPACING_M, barrier_kt=BARRIER_KT, line_length_m=60e-6)
    per_volt = parameters.write_line.heavy_metal_current_density_a_m2(1.0)
    force = parameters.force_per_volt_n_v / per_volt
    figure, axes = plt.subplots(figsize=(4.8, 3.4))
    density = np.geomspace(1.5e9, 3e12, 160)
    works = force * density * SPACING_M / THERMAL_J
    axes.plot(density, [least_fano_length_m(force * j, 300.0) * 1e9 for j in density], "--", color=INK, lw=1.1)
    axes.plot(density, [hop_fano_length_m(SPACING_M, force * j, 300.0) * 1e9 for j in density], ":", color=FAINT)
    exact = [2 * diffusion(BARRIER_KT, w) / velocity(BARRIER_KT, w) * SPACING_M * 1e9 for w in works]
    axes.plot(density, exact, color=COLOURS[0])
    for j in np.geomspace(3e9, 2.4e12, 13):
        axes.errorbar(j, *_hopping(parameters, j / per_volt, force * j), fmt="o", color=COLOURS[0])
    for j in np.geomspace(3e9, 2.4e12, 9):
        axes.errorbar(j, *_flowing(force * j), fmt="s", color=COLOURS[1])
    critical = np.pi * BARRIER_KT * THERMAL_J / SPACING_M / force
    axes.vlines(critical, 0.1, 80, color=FAINT, lw=0.8, ls=":")
    axes.text(critical / 1.08, 0.12, "barriers vanish", color=FAINT, fontsize=8, ha="right")
    axes.plot([], [], "o-", color=COLOURS[0], label="hopping walls; exact 2D/v of the washboard")
    axes.plot([], [], "s", color=COLOURS[1], label="free walls (flow)")
    axes.plot([], [], ":", color=FAINT, label="hops both ways, $p\\,\\coth(Fp/2kT)$")
    axes.plot([], [], "--", color=INK, label="least possible, $2kT/F$")
    axes.set(xscale="log", yscale="log", xlim=(2e9, 3e12), ylim=(0.1, 1000))
    axes.set(xlabel="current density in the W layer  (A/m$^2$)", ylabel="Fano length  (nm)")
    axes.legend(loc="upper right")
    return save(figure, "fano")


def _hopping(parameters: HoppingParameters, voltage_v: float, force_n: float) -> tuple[float, float]:
    """Return the Fano length, nm, and its standard error, by pulses of some hundred hops."""
    work = force_n * SPACING_M / THERMAL_J
    unit_s = parameters.friction_kg_s * SPACING_M**2 / THERMAL_J
    forward, backward = hop_rates(BARRIER_KT, work)
    moved = pulse_displacements(parameters, voltage_v, 150 / (forward + backward) * unit_s, WALLS, seed=3)
    return _ratio(moved)


def _flowing(force_n: float) -> tuple[float, float]:
    work = force_n * SPACING_M / THERMAL_J
    return _ratio(endpoints(0.0, work, 40.0 / work, np.zeros(WALLS), steps=1, seed=5) * SPACING_M)


def _ratio(moved: np.ndarray) -> tuple[float, float]:
    mean, variance = moved.mean(), moved.var(ddof=1)
    error = np.hypot(np.sqrt(2 / WALLS), np.sqrt(variance / WALLS) / mean)
    return variance / mean * 1e9, variance / mean * error * 1e9
