"""Settings of a channel of the 33500B and 33600A, as *RST leaves them, and what the families allow for them."""

from dataclasses import dataclass
from typing import Final

from sim_instruments.scpi_error import ScpiError

MODEL_33500B: Final = "keysight-33500b"
MODEL_33600A: Final = "keysight-33600a"

EDGE_SHARE: Final = 1.25
"""A period must hold the width and so many edges."""

_SLACK = 1e-9  # what rounding may do to a sum  # what rounding may do to a sum


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratings:
    """What differs between the families."""

    key: str
    """Name in bench files."""
    model: str
    """Model in the identity."""
    firmware: str
    shortest_width_s: float
    shortest_period_s: float
    shortest_edge_s: float
    highest_rate: float
    """Samples per second."""
    fewest_points: int
    """Samples of the shortest waveform."""
    most_points: int = 1_000_000


RATINGS_33500B: Final = Ratings(
    key=MODEL_33500B,
    model="33522B",
    firmware="5.03-1.19-2.00-58-00",
    shortest_width_s=16e-9,
    shortest_period_s=33e-9,
    shortest_edge_s=8.4e-9,
    highest_rate=250e6,
    fewest_points=8,
)
RATINGS_33600A: Final = Ratings(
    key=MODEL_33600A,
    model="33622A",
    firmware="A.02.03-3.15-03-64-02",
    shortest_width_s=5e-9,
    shortest_period_s=10e-9,
    shortest_edge_s=2.9e-9,
    highest_rate=660e6,
    fewest_points=32,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Settings of one channel as *RST leaves them, levels excepted."""

    shape: str = "SIN"
    frequency_mode: str = "CW"
    period_s: float = 1e-3
    width_s: float = 100e-6
    edge_s: float = 10e-9
    hold: str = "WIDT"
    phase: float = 0.0
    square_duty: float = 50.0
    ramp_symmetry: float = 100.0
    output: bool = False
    burst: bool = False
    burst_mode: str = "TRIG"
    burst_cycles: float = 1
    burst_phase: float = 0.0
    burst_period_s: float = 10e-3
    gate_polarity: str = "NORM"
    trigger_source: str = "IMM"
    trigger_slope: str = "POS"
    trigger_count: int = 1
    trigger_delay_s: float = 0.0
    trigger_timer_s: float = 10e-3
    sample_rate: float = 40e3
    filter: str = "STEP"
    advance: str = "SRAT"

    @property
    def fits(self) -> bool:
        """Whether the period holds the width and the edges."""
        return self.width_s + EDGE_SHARE * self.edge_s <= self.period_s * (1 + _SLACK)

    def check(self) -> None:
        """Raise the error of a combination that the instrument refuses."""
        if self.shape == "PULS" and not self.fits:
            raise ScpiError(-221, "the period does not hold the width and the edges")
