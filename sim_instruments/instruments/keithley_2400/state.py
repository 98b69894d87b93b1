"""What the Keithley 2400 is set to, and the commands that keep a setting as it is written."""

from dataclasses import replace
from typing import Any, final

from sim_instruments.instruments.keithley_2400.settings import (
    HIGH_A,
    LOW_V,
    FunctionSettings,
    GeneralSettings,
    default_functions,
)
from sim_instruments.instruments.keithley_2400.sweep import Sweep
from sim_instruments.scpi_error import ScpiError
from sim_instruments.scpi_parameter import Boolean, Parameter
from sim_instruments.scpi_setting import Pair, setting, show_bool


@final
class State:
    """The settings in force and those that *SAV kept."""

    def __init__(self) -> None:
        self.general = GeneralSettings()
        """Settings of the whole instrument."""
        self.function = default_functions()
        """Settings of volts, amperes and ohms, by their short names."""
        self.sweep = _default_sweeps()
        """Sweeps of the two source functions."""
        self.started_s = 0.0
        """Simulated time that time stamps count from, seconds."""
        self._saved: dict[int, tuple[GeneralSettings, dict[str, FunctionSettings], dict[str, Sweep]]] = {}

    def reset(self) -> None:
        """Return every setting to its default, except the line frequency."""
        self.general = GeneralSettings(line_hz=self.general.line_hz)
        self.function = default_functions()
        self.sweep = _default_sweeps()

    def save(self, place: int) -> None:
        """Keep the settings, with the output off."""
        self._saved[place] = replace(self.general, output=False), dict(self.function), dict(self.sweep)

    def recall(self, place: int) -> None:
        """Restore what was kept there, if anything was."""
        if place in self._saved:
            self.general, function, sweep = self._saved[place]
            self.function, self.sweep = dict(function), dict(sweep)

    def change(self, **changes: Any) -> None:
        """Change settings of the whole instrument."""
        self.general = replace(self.general, **changes)

    def change_function(self, key: str, **changes: Any) -> None:
        """Change settings of one quantity."""
        self.function[key] = replace(self.function[key], **changes)

    def change_sweep(self, key: str, **changes: Any) -> None:
        """Change settings of one source function's sweep."""
        self.sweep[key] = replace(self.sweep[key], **changes)

    def check_power(self, key: str, level: float, protection: float) -> None:
        """Raise the error of a level of a source function that its compliance does not allow."""
        volts, amperes = (level, protection) if key == "VOLT" else (protection, level)
        if key == self.general.source and abs(volts) > LOW_V and abs(amperes) > HIGH_A:
            raise ScpiError(826, text="Attempt to exceed power limit")

    def plain(self, pattern: str, kind: Parameter, name: str) -> Pair:
        """Return the pair for a field of the general settings that is kept as it is written."""
        return setting(pattern, kind, lambda: str(getattr(self.general, name)), lambda v: self.change(**{name: v}))

    def switch(self, pattern: str, name: str) -> Pair:
        """Return the pair for a field of the general settings that is on or off."""
        return setting(
            pattern, Boolean(), lambda: show_bool(getattr(self.general, name)), lambda v: self.change(**{name: v})
        )


def _default_sweeps() -> dict[str, Sweep]:
    return {key: Sweep() for key in ("VOLT", "CURR")}
