"""The 33500B and 33600A families: who they are and what they can send."""

from dataclasses import dataclass
from typing import Final, final

from drivers.instrument import Kind
from drivers.limits import Limit
from drivers.pulse_generators import shape

COUNT = Limit(quantity="burst length", low=1, high=100_000_000, unit="", origin="the 33500B and 33600A manual")
LOAD = Limit(quantity="load", low=1.0, high=1e4, unit="ohm", origin="the 33500B and 33600A manual")

_SMALLEST_V, _LARGEST_V = 0.01, 5.0


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """What differs between the families."""

    key: str
    """Name in bench files."""
    title: str
    """Maker and models in words."""
    kind: Kind
    """Which identities will do."""
    width: Limit
    """Pulse widths."""
    period: Limit
    """Pulse periods."""
    edge_s: float
    """Transition time of both edges, seconds: the fastest."""
    highest_rate: float
    """Samples per second of an arbitrary waveform."""
    fewest_points: int
    """Points of the shortest waveform."""

    @property
    def origin(self) -> str:
        """Return where the limits come from."""
        return self.width.origin


def _family(
    key: str, names: str, model: str, *, width_s: float, period_s: float, edge_s: float, rate: float, points: int
) -> Family:
    origin = f"the {names} data sheet"
    return Family(
        key=key,
        title=f"Keysight {names} waveform generator",
        kind=Kind(manufacturer=r"(Agilent|Keysight) Technologies", model=model),
        width=Limit(quantity="pulse width", low=width_s, high=1e5, unit="s", origin=origin),
        period=Limit(quantity="pulse period", low=period_s, high=1e6, unit="s", origin=origin),
        edge_s=edge_s,
        highest_rate=rate,
        fewest_points=points,
    )


FAMILY_33500B: Final = _family(
    "keysight-33500b",
    "33500B",
    r"335(0[9]|1[0129]|2[0-2])B",
    width_s=16e-9,
    period_s=33e-9,
    edge_s=8.4e-9,
    rate=250e6,
    points=8,
)
FAMILY_33600A: Final = _family(
    "keysight-33600a", "33600A", r"336[12][12]A", width_s=5e-9, period_s=10e-9, edge_s=2.9e-9, rate=660e6, points=32
)


def amplitude_limit(family: Family, load_ohm: float) -> Limit:
    """Return the amplitudes that a generator can put across a load."""
    return shape.amplitude_limit(load_ohm, smallest_v=_SMALLEST_V, largest_v=_LARGEST_V, source=family.origin)
