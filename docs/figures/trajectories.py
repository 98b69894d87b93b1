"""Position and angle of a wall: below and above the Walker field, and through a current pulse."""

import math

import matplotlib.pyplot as plt
import numpy as np
from drawing import COLOURS, INK, panel_name, save

from sim_instruments.physics.collective.closed_forms import (
    field_velocity_m_s,
    noise_strength_a2_s_m2,
    spin_hall_velocity_m_s,
    walker_field_a_m,
)
from sim_instruments.physics.collective.ensemble import trajectory
from sim_instruments.physics.collective.equations import Load, Wall
from sim_instruments.physics.presets import material

STEP_S = 1e-12
WIDTH_M = 1e-6
CURRENT_A_M2 = 5e10
WALLS = 3
COLD = {"color": COLOURS[0]}
WARM = {"color": COLOURS[1], "lw": 0.5, "alpha": 0.8}
MEAN = {"color": INK, "lw": 1.0, "ls": (0, (4, 3))}


def draw():
    """Draw q(t) above and phi(t) below; thin lines are single walls at 300 K."""
    figure, axes = plt.subplots(2, 3, figsize=(7.2, 4.0), sharex="col")
    for column, (share, letters) in enumerate(((0.7, "ad"), (3.0, "be"))):
        _field_driven(axes[:, column], share, letters)
    _current_driven(axes[:, 2], "cf")
    names = {"without temperature": COLD, "300 K, three walls": WARM, "mean velocity, closed form": MEAN}
    lines = [axes[0, 0].plot([], [], label=name, **style)[0] for name, style in names.items()]
    figure.legend(handles=lines, loc="outside lower center", ncols=3)
    axes[0, 0].set_ylabel("position  $q$  (nm)")
    axes[1, 0].set_ylabel("angle  $\\phi$  (degrees)")
    return save(figure, "trajectories")


def _wall() -> Wall:
    film = material("w-cofeb-mgo")
    return Wall(
        damping=film.damping,
        width_m=film.wall_width_m,
        shape_field_a_m=film.shape_field_a_m,
        dmi_field_a_m=0.0,
        force_per_field_n_m_a=film.force_per_field_n_m_a(WIDTH_M),
    )


def _field_driven(axes, share: float, letters: str) -> None:
    wall = _wall()
    field_a_m = share * walker_field_a_m(wall)
    wall = wall._replace(field_z_a_m=field_a_m)
    times = np.linspace(0, 30e-9, 601)
    warm = Load(noise_a2_s_m2=noise_strength_a2_s_m2(wall, 300.0))
    for event in range(WALLS):
        _plot(axes, times, *trajectory(times, wall, warm, STEP_S, angle_rad=math.pi / 2, event=event + 1, seed=4), WARM)
    q, phi = trajectory(times, wall, Load(), STEP_S, angle_rad=math.pi / 2)
    _plot(axes, times, q, phi, COLD)
    _plot_slope(axes[0], times, q, float(field_velocity_m_s(wall, field_a_m)), times[-1] / 3)
    _finish(axes, letters, f"field, $H = {share:g}\\,H_W$")


def _current_driven(axes, letters: str) -> None:
    """A pulse of 10 ns of spin Hall torque on a wall with DMI, and what follows it."""
    film = material("w-cofeb-mgo")
    wall = _wall()._replace(dmi_field_a_m=film.dmi_field_a_m, shape_field_a_m=0.0)
    torque = Load(spin_hall_field_a_m=abs(film.spin_hall_field_a_m(CURRENT_A_M2)))
    noise = noise_strength_a2_s_m2(wall, 300.0)
    times = np.linspace(0, 10e-9, 301)
    for event in range(WALLS + 1):
        strength = noise if event < WALLS else 0.0
        q, phi = trajectory(times, wall, torque._replace(noise_a2_s_m2=strength), STEP_S, event=event + 1, seed=6)
        later = trajectory(
            times, wall, Load(noise_a2_s_m2=strength), STEP_S, position_m=q[-1], angle_rad=phi[-1], event=event + 11,
            seed=6,
        )  # fmt: skip
        paths = [np.concatenate((first, second)) for first, second in zip((q, phi), later, strict=True)]
        _plot(axes, np.concatenate((times, times[-1] + times)), *paths, WARM if event < WALLS else COLD)
    _plot_slope(axes[0], times, q, float(spin_hall_velocity_m_s(wall, torque.spin_hall_field_a_m)), times[-1] / 2)
    for panel in axes:
        panel.axvspan(0, 10, color="#eeeeee", zorder=0, lw=0)
    _finish(axes, letters, "10 ns of current, DMI")


def _plot(axes, times: np.ndarray, q: np.ndarray, phi: np.ndarray, style: dict) -> None:
    axes[0].plot(times * 1e9, q * 1e9, **style)
    axes[1].plot(times * 1e9, np.degrees(phi), **style)


def _plot_slope(panel, times: np.ndarray, q: np.ndarray, speed: float, begin: float) -> None:
    """Draw the mean velocity that theory gives through the middle of the path after its beginning."""
    later = times >= begin
    middle = q[later].mean() + speed * (times - times[later].mean())
    panel.plot(times * 1e9, middle * 1e9, **MEAN)


def _finish(axes, letters: str, title: str) -> None:
    panel_name(axes[0], letters[0], title)
    panel_name(axes[1], letters[1])
    axes[1].set_xlabel("time  (ns)")
