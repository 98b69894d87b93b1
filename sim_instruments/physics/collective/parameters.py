"""What the tracks of one sample have in common, as far as position and angle of a wall are concerned."""

import math
from dataclasses import dataclass, field
from typing import Annotated, Literal

from annotated_types import Ge, Gt, Le

from sim_instruments.physics.collective.closed_forms import noise_strength_a2_s_m2
from sim_instruments.physics.collective.energy import resting_angle_rad
from sim_instruments.physics.collective.terms import Load, Wall
from sim_instruments.physics.collective.time_step import LARGEST_TURN, check_time_step, fastest_rate_1_s
from sim_instruments.physics.constants import GYROMAGNETIC_M_A_S
from sim_instruments.physics.presets import NamedMaterial
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.quantity import NonNegative, Positive, Spread
from sim_instruments.physics.write_line import WriteLine

_HIGHEST_BARRIER = 4.5
"""Standard deviations above the mean logarithm to which a barrier is expected to reach: one in 300 000 is higher."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CollectiveParameters:
    """A narrow track and the wall in it, its pinning, its pulses and how they are integrated.

    The line is taken to be connected so that a positive voltage pushes: that its torque on a wall at rest points to
    growing positions. Pinning is V_j sin^2(pi q / p) with a barrier of its own in every period p of every track.

    An end of the track is a stiff spring and not a mirror: like any other force it turns the angle of the wall that it
    stops, so a wall driven against it comes to rest as it should; a mirror would let the angle turn on for ever. At
    most some tenths of a nanometre of position lie beyond an end in equilibrium, and are counted as the end itself.

    The defaults of pinning are placeholders: they hold a wall of a 100 nm wide track for years at 300 K.

    Raises:
        ValueError: two tables contradict one another, the track is no whole number of periods, the time step is too
            long, or no current moves the wall.
    """

    model: Literal["collective"] = "collective"
    track_length_m: Positive
    """Between the end stops."""
    write_line: WriteLine
    """From volts to current densities; its width is that of the track."""
    material: NamedMaterial
    """The film: the name of a preset, or a table."""
    pulse_line: PulseLine = field(default_factory=PulseLine)
    """Edges of the pulse, heating, and the temperature without current."""
    polarity: Literal[1, -1] = 1
    """Q: +1 for up to down along the track, -1 for down to up."""
    shape_field_a_m: NonNegative | None = None
    """H_K; none: that of a straight wall in this film."""
    breathing: Annotated[float, Gt(-1), Le(10)] = 0.0
    """kappa of the width Delta / sqrt(1 + kappa sin^2 phi). The wall's own stray field makes it -k / (K_eff + k) with
    k = mu0 M_s H_K / 2, some -0.05; none is taken by default."""
    field_like_ratio: float = 0.0
    """Field-like over damping-like field of the spin-orbit torque."""
    applied_field_a_m: tuple[float, float, float] = (0.0, 0.0, 0.0)
    """Along the track, across it, and along the easy axis."""
    stray_field_a_m: float = 0.0
    """Of the layers above and below, along the easy axis; a positive one pushes."""
    site_spacing_m: Positive = 50e-9
    """Period of the pinning, p."""
    barrier_j: Positive = 2.0e-19
    """Mean barrier of the pinning, V."""
    barrier_cv: Annotated[float, Ge(0), Le(0.5)] = 0.0
    """Relative standard deviation of the barriers along a track, which are log-normal."""
    torque_dtod: Spread = 0.0
    """Device-to-device relative standard deviation of all that a voltage does to the wall."""
    end_stiffness_n_m: Positive = 0.02
    """Of the end stops: 1 nm for 20 pN."""
    settling_time_s: NonNegative = 5e-9
    """Pause after every pulse, its cooling included, in which the wall comes to rest."""
    thermal_noise: bool = True
    """False: a wall without temperature, whose motion is the same every time."""
    time_step_s: Positive = 2e-12
    """Longest step of integration; currents that move the wall too fast for it are integrated in shorter ones."""
    pulse_parts: Annotated[int, Ge(1), Le(64)] = 4
    """Pieces in which edges and heating are followed."""

    def __post_init__(self) -> None:
        periods = self.track_length_m / self.site_spacing_m
        if abs(periods - round(periods)) > 1e-6 * periods or round(periods) < 1:
            raise ValueError("site_spacing_m must divide track_length_m into a whole number of periods")
        if not math.isclose(self.write_line.magnet_thickness_m, self.material.thickness_m, rel_tol=1e-6):
            raise ValueError("write_line.magnet_thickness_m must equal material.thickness_m")
        check_time_step(self.time_step_s, self.wall, Load(), self.highest_barrier_j)
        if self.forward == 0:
            raise ValueError(
                "no current moves this wall: give the material a dmi_j_m2 and a spin_hall_angle, or a spin_polarisation"
            )

    @property
    def wall(self) -> Wall:
        """Return the wall as the equations need it."""
        film = self.material
        x_a_m, y_a_m, z_a_m = self.applied_field_a_m
        return Wall(
            damping=float(film.damping),
            width_m=float(film.wall_width_m),
            shape_field_a_m=float(film.shape_field_a_m if self.shape_field_a_m is None else self.shape_field_a_m),
            dmi_field_a_m=float(film.dmi_field_a_m),
            force_per_field_n_m_a=float(film.force_per_field_n_m_a(self.write_line.width_m)),
            nonadiabaticity=float(film.nonadiabaticity),
            polarity=float(self.polarity),
            breathing=float(self.breathing),
            field_x_a_m=float(x_a_m),
            field_y_a_m=float(y_a_m),
            field_z_a_m=float(z_a_m + self.polarity * self.stray_field_a_m),
            pinning_period_m=float(self.site_spacing_m),
            track_length_m=float(self.track_length_m),
            end_stiffness_n_m=float(self.end_stiffness_n_m),
        )

    @property
    def periods(self) -> int:
        """Return how many barriers a track has."""
        return round(self.track_length_m / self.site_spacing_m)

    @property
    def barrier_log_sd(self) -> float:
        """Return the standard deviation of a barrier's logarithm."""
        return math.sqrt(math.log1p(self.barrier_cv**2))

    @property
    def highest_barrier_j(self) -> float:
        """Return a barrier that hardly any exceeds, which the time step is made for."""
        spread = self.barrier_log_sd
        return self.barrier_j * math.exp(_HIGHEST_BARRIER * spread - spread**2 / 2)

    @property
    def forward(self) -> int:
        """Return the sign of the current that pushes; 0 if none does."""
        wall, load = self.wall, self._load(1.0, 0.0)
        force_a_m = wall.polarity * math.pi / 2 * load.spin_hall_field_a_m * math.cos(resting_angle_rad(wall))
        force_a_m += wall.nonadiabaticity * load.drift_velocity_m_s / (GYROMAGNETIC_M_A_S * wall.width_m)
        if abs(force_a_m) < 1e-9 * abs(load.spin_hall_field_a_m):
            force_a_m = 0.0
        turned = force_a_m if force_a_m != 0.0 else load.drift_velocity_m_s
        return (turned > 0) - (turned < 0)

    def load(self, voltage_v: float, temperature_k: float) -> Load:
        """Return what acts on the wall at a voltage, a positive one pushing, and a temperature."""
        return self._load(self.forward * voltage_v, temperature_k)

    def step_s(self, load: Load) -> float:
        """Return the longest step under a load: `time_step_s`, or what its fastest motion allows."""
        return min(self.time_step_s, LARGEST_TURN / fastest_rate_1_s(self.wall, load, self.highest_barrier_j))

    def _load(self, voltage_v: float, temperature_k: float) -> Load:
        film, line = self.material, self.write_line
        spin_hall_a_m = float(film.spin_hall_field_a_m(line.heavy_metal_current_density_a_m2(voltage_v)))
        return Load(
            spin_hall_field_a_m=spin_hall_a_m,
            field_like_field_a_m=self.field_like_ratio * spin_hall_a_m,
            drift_velocity_m_s=float(film.spin_drift_velocity_m_s(line.magnet_current_density_a_m2(voltage_v))),
            noise_a2_s_m2=noise_strength_a2_s_m2(self.wall, temperature_k) if self.thermal_noise else 0.0,
        )
