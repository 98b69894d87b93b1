"""What the Keithley 2450 is set to."""

from dataclasses import replace
from typing import Any, final

from sim_instruments.instruments.keithley_2450.settings import GeneralSettings, default_senses, default_sources
from sim_instruments.scpi_error import ScpiError


@final
class State:
    """The settings in force."""

    def __init__(self) -> None:
        self.general = GeneralSettings()
        """Settings of the whole instrument."""
        self.source = default_sources()
        """Settings of the source functions, by their short names."""
        self.sense = default_senses()
        """Settings of the measuring functions, by their short names."""

    def reset(self) -> None:
        """Return every setting to its default."""
        self.general = GeneralSettings()
        self.source = default_sources()
        self.sense = default_senses()

    def change_general(self, **changes: Any) -> None:
        """Change settings of the whole instrument."""
        self.general = replace(self.general, **changes)

    def change_source(self, key: str, **changes: Any) -> None:
        """Change settings of one source function."""
        self.source[key] = replace(self.source[key], **changes)

    def change_sense(self, key: str, **changes: Any) -> None:
        """Change settings of one measuring function."""
        self.sense[key] = replace(self.sense[key], **changes)

    def listed(self, key: str) -> tuple[float, ...]:
        """Return a source function's list; raise the error of one that is not there."""
        values = self.source[key].values
        if not values:
            raise ScpiError(-230, "there is no list")
        return values
