"""The experiments by name, and how one is made from settings."""

from collections.abc import Iterator, Mapping
from dataclasses import Field, fields
from typing import Any, ClassVar, Final, Protocol

import numpy as np
from pydantic import TypeAdapter, ValidationError

from calibration.protocols.actions import Action
from calibration.protocols.doublets import Doublets
from calibration.protocols.dwell import Dwell
from calibration.protocols.endurance import Endurance
from calibration.protocols.flights import Staircase
from calibration.protocols.r_j_loop import RJLoop
from calibration.protocols.read_disturb import ReadDisturb
from calibration.protocols.retention import Retention
from calibration.protocols.routes import Route
from calibration.protocols.s_curve import SCurve
from calibration.protocols.sweeps import AmplitudeSweep, WidthSweep
from calibration.protocols.without_pulses import CurrentVoltage, Noise
from drivers.errors import ConfigError


class ExperimentProtocol(Protocol):
    """An experiment as data: what would be done, without a bench."""

    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]
    kind: ClassVar[str]
    """Its name."""
    routes: ClassVar[frozenset[Route]]
    """Ways to the devices that it may take."""
    together: ClassVar[bool]
    """Whether all devices go through it together on the bench route too, instead of one after the other."""

    def actions(self, generator: np.random.Generator) -> Iterator[Action]:
        """Yield what will be done, in order. The same generator gives the same actions."""
        ...


PROTOCOLS: Final[Mapping[str, type[ExperimentProtocol]]] = {
    protocol.kind: protocol
    for protocol in (
        Staircase,
        Doublets,
        AmplitudeSweep,
        WidthSweep,
        SCurve,
        Dwell,
        RJLoop,
        CurrentVoltage,
        Noise,
        Retention,
        ReadDisturb,
        Endurance,
    )
}
"""Every experiment by its kind."""


def protocol_from(kind: str, settings: Mapping[str, Any]) -> ExperimentProtocol:
    """Return an experiment with these settings; what is left out keeps its default.

    Args:
        kind: name of the experiment.
        settings: values by the names of the fields, nested for `bringing`; texts are read as numbers where due.

    Raises:
        ConfigError: there is no such experiment or setting, or a value does not fit.
    """
    protocol = PROTOCOLS.get(kind)
    if protocol is None:
        raise ConfigError(f"there is no experiment {kind!r}; there are {', '.join(PROTOCOLS)}")
    names = [field.name for field in fields(protocol)]
    if unknown := sorted(set(settings) - set(names)):
        raise ConfigError(f"{kind} has no setting {unknown[0]!r}; it has {', '.join(names)}")
    try:
        return TypeAdapter(protocol).validate_python(dict(settings))
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise ConfigError(f"{kind}: {place} = {first['input']!r}: {first['msg']}") from error
