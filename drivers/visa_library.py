"""The VISA library that a bench speaks through: what it can see, and how a resource is opened."""

import math
from typing import Any, Self, cast, final

import pyvisa
from pyvisa import rname
from pyvisa.constants import StatusCode
from pyvisa.errors import VisaIOError
from pyvisa.resources import MessageBasedResource

from drivers.deadline import VirtualTime
from drivers.errors import ConfigError, LinkError
from drivers.link_state import translated


@final
class VisaLibrary:
    """A VISA library, real or simulated."""

    def __init__(self, manager: pyvisa.ResourceManager, specification: str) -> None:
        self._manager = manager
        self.specification = specification

    @classmethod
    def open(cls, specification: str) -> Self:
        """Open the library that a PyVISA specification such as `@py` names; empty means PyVISA's own choice.

        Raises:
            ConfigError: if there is no such library or it does not start.
        """
        try:
            return cls(pyvisa.ResourceManager(specification), specification)
        except Exception as error:
            raise ConfigError(
                f"cannot open the VISA library {specification!r}: {error}; `pyvisa-info` lists what is installed"
            ) from error

    @property
    def is_private(self) -> bool:
        """Return whether the instruments belong to this process, as simulated ones do: nobody else can reach them."""
        return getattr(self._manager.visalib, "is_private", False) is True

    @property
    def virtual_time(self) -> VirtualTime | None:
        """Return the time of simulated instruments; None for real ones, whose time is everybody's."""
        library: Any = self._manager.visalib
        return cast("VirtualTime | None", getattr(library, "virtual_time", None))

    def resources(self) -> tuple[str, ...]:
        """Return the names of the resources that the library can see."""
        try:
            return tuple(self._manager.list_resources("?*"))
        except VisaIOError as error:
            if error.error_code == StatusCode.error_resource_not_found:
                return ()
            raise translated(error)[1] from error
        except Exception as error:
            raise translated(error)[1] from error

    def connect(self, address: str, timeout_s: float) -> MessageBasedResource:
        """Open a session to one resource. Sends nothing."""
        resource = self._manager.open_resource(address, open_timeout=math.ceil(timeout_s * 1e3))
        if not isinstance(resource, MessageBasedResource):
            resource.close()
            raise LinkError(f"{address} is not a resource that takes messages")
        return resource


def canonical(address: str) -> str:
    """Return a resource name with the parts that may be left out."""
    try:
        return str(rname.parse_resource_name(address))
    except rname.InvalidResourceName:
        # An alias of the VISA library's own configuration, or a name that will not open.
        return address
