"""Displacements by pulses against the step laws of the compact model, and of hopping walls against theirs."""

import math

import matplotlib.pyplot as plt
import numpy as np
from drawing import COLOURS, INK, panel_name, save
from narrow_track import narrow_track
from scipy import stats

from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.compact.walls import CompactWalls
from sim_instruments.physics.constants import BOLTZMANN_J_K
from sim_instruments.physics.hopping.samples import pulse_displacements
from sim_instruments.physics.hopping.washboard import hop_rates
from sim_instruments.physics.walls import Drive

TRACK_M = 1e-5
FANO_M = 20e-9
PULSES = (1, 4, 16)
WALLS = 20_000
HOP_CV = 0.5
NAMES = {
    "gaussian": "Gaussian",
    "gamma": "gamma",
    "inverse-gaussian": "inverse Gaussian",
    "poisson": "Poisson hops",
    "compound-poisson": "compound Poisson",
}


def draw():
    """Draw one panel per law: points are walls on the bench, lines the law."""
    figure, axes = plt.subplots(2, 3, figsize=(7.2, 4.3))
    for panel, (law, title), letter in zip(axes.flat, NAMES.items(), "abcde", strict=False):
        for pulses, colour in zip(PULSES, COLOURS, strict=False):
            moved = _moved(law, pulses)
            label = f"{pulses} pulse" + ("s" if pulses > 1 else "")
            _continuous(panel, law, pulses, moved, colour, label) if law != "poisson" else _lattice(
                panel, moved / FANO_M, stats.poisson(pulses), colour, label
            )
        panel.set_ylim(bottom=0)
        panel_name(panel, letter, title)
        panel.set_xlabel("displacement / Fano length")
    _hopping(axes.flat[5])
    for panel in axes[:, 0]:
        panel.set_ylabel("probability density")
    axes[1, 0].set_ylabel("probability")
    axes[1, 1].set_ylabel("probability density")
    axes[1, 2].set_ylabel("probability")
    axes.flat[0].legend(loc="upper right", handlelength=1.2)
    return save(figure, "displacements")


def _moved(law: str, pulses: int) -> np.ndarray:
    parameters = CompactParameters(
        track_length_m=TRACK_M, reference_amplitude_v=1.5, threshold_v=0.5,
        push_velocity_m_s=0.2, pull_velocity_m_s=0.2,
        push_fano_length_m=FANO_M, pull_fano_length_m=FANO_M, velocity_dtod=0.0, asymmetry_dtod=0.0, fano_dtod=0.0,
        law=law, hop_cv=HOP_CV if law == "compound-poisson" else 0.0,
    )  # fmt: skip
    state = {kept.name: np.full(WALLS, kept.initial, kept.dtype) for kept in CompactWalls.kept(parameters)}
    walls = CompactWalls(WALLS, 5, parameters, state)
    # A mean step of one Fano length, so that one pulse has a relative spread of 1.
    drive = Drive(push_amplitude_v=1.5, push_width_s=FANO_M / 0.2, pull_amplitude_v=1.5, pull_width_s=1e-7)
    walls.pulse_range(0, np.full(WALLS, pulses, np.uint8), np.zeros(WALLS, np.uint8), drive, event=pulses)
    return (walls.position.astype(np.float64) - 0.5) * TRACK_M


def _continuous(panel, law: str, pulses: int, moved: np.ndarray, colour: str, label: str) -> None:
    x = moved / FANO_M
    low = -3.5 if law == "gaussian" else 0.0
    width = 0.3 * math.sqrt(pulses)
    edges = np.arange(low, 32.0, width)
    counts, _ = np.histogram(x[x != 0.0], edges)
    middles = (edges[1:] + edges[:-1]) / 2
    seen = counts > 0
    panel.errorbar(
        middles[seen], counts[seen] / WALLS / width, np.sqrt(counts[seen]) / WALLS / width, fmt=".", ms=3, lw=0.7,
        color=colour, label=label,
    )  # fmt: skip
    # The law averaged over each bin, as the counts are.
    cumulative = _cdf(law, pulses, edges)
    panel.stairs(np.diff(cumulative) / width, edges, color=colour, lw=1.1)
    panel.set_xlim(low, 28)
    if law == "compound-poisson" and pulses == 1:
        none = np.mean(x == 0.0)
        panel.text(0.98, 0.75, f"no hop by 1 pulse: {none:.3f}\n(law: {math.exp(-1 - HOP_CV**2):.3f})",
                   transform=panel.transAxes, ha="right", va="top", fontsize=7, color=INK)  # fmt: skip


def _cdf(law: str, pulses: int, x: np.ndarray) -> np.ndarray:
    if law == "gaussian":
        return stats.norm(pulses, math.sqrt(pulses)).cdf(x)
    if law == "gamma":
        return stats.gamma(pulses).cdf(x)
    if law == "inverse-gaussian":
        return stats.invgauss(1 / pulses, scale=pulses**2).cdf(x)
    mean_hop = 1 / (1 + HOP_CV**2)
    hops = stats.poisson(pulses / mean_hop)
    return sum(
        hops.pmf(n) * stats.gamma(n / HOP_CV**2, scale=mean_hop * HOP_CV**2).cdf(x)
        for n in range(1, int(hops.ppf(1 - 1e-9)))
    )


def _lattice(panel, steps: np.ndarray, law, colour: str, label: str) -> None:
    values, counts = np.unique(np.rint(steps).astype(int), return_counts=True)
    panel.set_xlim(-1, 28)
    panel.vlines(values, 0, law.pmf(values), color=colour, lw=3.2, alpha=0.35)
    panel.errorbar(values, counts / WALLS, np.sqrt(counts) / WALLS, fmt=".", ms=3, lw=0.7, color=colour, label=label)


def _hopping(panel) -> None:
    """Walls of the hopping model, whose hops go both ways: the difference of two Poisson numbers."""
    spacing_m = 25e-9
    parameters = narrow_track(sites=200, spacing_m=spacing_m, barrier_kt=12, line_length_m=10e-6)
    work = 1.0
    voltage_v = work * BOLTZMANN_J_K * 300 / spacing_m / parameters.force_per_volt_n_v
    unit_s = parameters.friction_kg_s * spacing_m**2 / (BOLTZMANN_J_K * 300)
    forward, backward = (rate / unit_s for rate in hop_rates(12.0, work))
    for hops, colour in zip((2.0, 8.0, 20.0), COLOURS, strict=False):
        width_s = hops / forward
        moved = pulse_displacements(parameters, voltage_v, width_s, WALLS, seed=2)
        _lattice(panel, moved / spacing_m, stats.skellam(hops, backward * width_s), colour, f"{hops:.0f} hops forward")
    panel_name(panel, "f", "hopping walls, $Fp = kT$")
    panel.set_xlabel("displacement / site spacing")
    panel.set(xlim=(-8, 28), ylim=(0, None))
    panel.legend(loc="upper right", handlelength=1.2, fontsize=7)
