"""Velocity against current density, from creep to flow, at several temperatures."""

import math

import matplotlib.pyplot as plt
import numpy as np
from drawing import COLOURS, FAINT, panel_name, save

from sim_instruments.physics.creep.parameters import CreepParameters
from sim_instruments.physics.creep.velocity import velocity
from sim_instruments.physics.creep.walls import CreepWalls
from sim_instruments.physics.presets import material, pinning
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.walls import Drive
from sim_instruments.physics.write_line import WriteLine

TEMPERATURES_K = (200.0, 300.0, 400.0)
LINE = WriteLine(
    length_m=40e-6,
    width_m=5e-6,
    heavy_metal_thickness_m=3e-9,
    heavy_metal_resistivity_ohm_m=120e-8,
    magnet_thickness_m=1e-9,
    magnet_resistivity_ohm_m=160e-8,
)
WALLS = 200


def draw():
    """Draw v(J), and ln v against the inverse fourth root of J; points are walls on the bench."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.1), width_ratios=(1.15, 1))
    density = np.geomspace(1.5e9, 2e12, 400)
    law = _parameters(300.0).law
    depinning = law.depinning_drive / _field(1.0)
    for temperature, colour in zip(TEMPERATURES_K, COLOURS, strict=False):
        parameters = _parameters(temperature)
        left.plot(density, velocity(_field(density), temperature, parameters.law), color=colour)
        below = density[density < 1.2 * depinning]
        right.plot(below**-0.25 * 1e3, velocity(_field(below), temperature, parameters.law), color=colour)
        points = np.geomspace(3e9, 1.4e12, 13)
        means, errors = np.array([_measured(parameters, point) for point in points]).T
        label = f"{temperature:.0f} K"
        left.errorbar(points, means, errors, fmt="o", color=colour, label=label)
        shown = points < 1.2 * depinning
        right.errorbar(points[shown] ** -0.25 * 1e3, means[shown], errors[shown], fmt="o", color=colour)
    left.plot(density, _flow(density, law), "--", color=FAINT, lw=1)
    left.text(2.3e9, 26, "flow, no pinning", color=FAINT, ha="left", va="bottom", fontsize=8)
    left.axvline(depinning, color=FAINT, lw=0.8, ls=":")
    left.text(depinning * 1.08, 2e-8, "$J_d$", color=FAINT)
    left.set(
        xscale="log",
        yscale="log",
        xlabel="current density in the W layer  $J$  (A/m$^2$)",
        ylabel="wall velocity  (m/s)",
    )
    left.set(xlim=(2e9, 2e12), ylim=(1e-8, 200))
    left.legend(loc="lower right")
    right.set(
        yscale="log",
        xlabel="$J^{-1/4}$  ($10^{-3}$ (A/m$^2$)$^{-1/4}$)",
        ylabel="wall velocity  (m/s)",
        ylim=(1e-8, 200),
    )
    right.axvline(depinning**-0.25 * 1e3, color=FAINT, lw=0.8, ls=":")
    right.text(depinning**-0.25 * 1e3 * 1.01, 30, "$J_d$", color=FAINT)
    for axes, name in ((left, "a"), (right, "b")):
        panel_name(axes, name)
    return save(figure, "velocity")


def _parameters(temperature_k: float) -> CreepParameters:
    return CreepParameters(
        material=material("w-cofeb-mgo"),
        pinning=pinning("w-cofeb-mgo"),
        write_line=LINE,
        pulse_line=PulseLine(temperature_k=temperature_k),
        track_length_m=20e-6,
        avalanche_length_m=0.1e-6,
    )


def _field(density):
    return math.pi / 2 * abs(material("w-cofeb-mgo").spin_hall_field_a_m(1.0)) * density


def _flow(density, law):
    return 1 / np.hypot(1 / (law.mobility * _field(density)), 1 / law.saturation_velocity_m_s)


def _measured(parameters: CreepParameters, density: float) -> tuple[float, float]:
    """Return mean velocity and standard error by pulses that move walls by about 2 micrometres."""
    voltage_v = density / LINE.heavy_metal_current_density_a_m2(1.0)
    width_s = 2e-6 / float(velocity(_field(density), parameters.pulse_line.temperature_k, parameters.law))
    state = {kept.name: np.full(WALLS, kept.initial, kept.dtype) for kept in CreepWalls.kept(parameters)}
    walls = CreepWalls(WALLS, 1, parameters, state)
    drive = Drive(push_amplitude_v=voltage_v, push_width_s=width_s, pull_amplitude_v=0.0, pull_width_s=0.0)
    walls.pulse_range(0, np.ones(WALLS, np.uint8), np.zeros(WALLS, np.uint8), drive, event=int(density / 1e6))
    speeds = (walls.position.astype(np.float64) - 0.5) * parameters.track_length_m / width_s
    return float(speeds.mean()), float(speeds.std(ddof=1) / math.sqrt(WALLS))
