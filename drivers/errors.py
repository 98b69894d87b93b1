"""The error tree of the toolkit, sorted by what the caller should do about it."""


class HilError(Exception):
    """Root of every error this project raises on purpose."""


class ConfigError(HilError):
    """A file or option is wrong: mend the place named in the message and start again."""


class LimitError(HilError):
    """A requested value lies outside a limit. Nothing was sent; ask for less or widen the limit at its source."""


class LinkError(HilError):
    """Talking to an instrument failed. What was sent may or may not have arrived."""


class LinkTimeout(LinkError):
    """No complete reply came before the deadline: the link is DESYNCED and must be resynchronised."""


class LinkDesync(LinkError):
    """A reply did not have the form asked for: request and reply may no longer belong together."""


class LinkLost(LinkError):
    """The connection is gone: reopen it."""


class InstrumentBusy(LinkError):
    """Another program holds the instrument: end it first. Nothing was changed."""


class InstrumentError(HilError):
    """The instrument refused or reported errors.

    Attributes:
        queue: the entries of the instrument's error queue, oldest first.
    """

    def __init__(self, message: str, queue: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.queue = queue


class SettingsChanged(InstrumentError):
    """Settings are no longer those that were set: a reset, a power cycle or another client. Set up and read anew."""


class IdentityError(InstrumentError):
    """The instrument at an address is not the one the bench file names."""


class DeviceFault(HilError):
    """A domain-wall device does not behave as a device should; look at the device or mask it."""


class SafeStateError(HilError):
    """An output could not be confirmed off. The worst event there is: cut the power by hand."""


class RunCorrupt(HilError):
    """A run directory does not hold what it should; the message names the file."""
