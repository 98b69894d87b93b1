"""What a channel of the 33500B and 33600A is set to, and the commands that keep a setting as it is written."""

from dataclasses import replace
from typing import final

from sim_instruments.instruments.keysight_33500b.settings import EDGE_SHARE, Settings
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Parameter, Real
from sim_instruments.scpi_setting import Pair, real_setting, setting


@final
class State:
    """The settings in force, levels excepted.

    Args:
        shortest_width_s: the shortest pulse, seconds.
    """

    def __init__(self, shortest_width_s: float) -> None:
        self._shortest_width_s = shortest_width_s
        self.settings = Settings()
        """The settings."""

    def reset(self) -> None:
        """Return to the settings after *RST."""
        self.settings = Settings()

    def change(self, **changes: object) -> None:
        """Change settings together, or none of them if the instrument would refuse the result."""
        changed = replace(self.settings, **changes)
        changed.check()
        self.settings = changed

    def fit(self, **changes: object) -> None:
        """Change settings; a pulse that no longer fits into its period gets shorter, which is reported."""
        changed = replace(self.settings, **changes)
        if changed.shape != "PULS" or changed.fits:
            self.change(**changes)
            return
        width_s = changed.period_s - EDGE_SHARE * changed.edge_s
        if width_s < self._shortest_width_s:
            raise ScpiError(-221, "the period does not hold the shortest pulse")
        self.change(**{**changes, "width_s": width_s})
        raise ScpiError(-221, "pulse width decreased due to period")

    def plain(self, pattern: str, kind: Parameter, name: str) -> Pair:
        """Return the pair for a setting that is kept and shown as it is written."""
        return setting(
            pattern, kind, lambda: str(getattr(self.settings, name)), lambda value: self.change(**{name: value})
        )

    def real(self, pattern: str, kind: Real, name: str) -> Pair:
        """Return the pair for a real number that is kept as it is written."""
        return real_setting(
            pattern, kind, lambda: getattr(self.settings, name), lambda value: self.change(**{name: value})
        )
