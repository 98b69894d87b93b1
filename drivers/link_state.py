"""Whether replies on a link can be believed, and what each failure means for that."""

from enum import StrEnum

from pyvisa.constants import StatusCode
from pyvisa.errors import InvalidSession, VisaIOError

from drivers.errors import HilError, LimitError, LinkError, LinkLost, LinkTimeout

_LOST = (
    StatusCode.error_connection_lost,
    StatusCode.error_resource_not_found,
    StatusCode.error_invalid_object,
    StatusCode.error_no_listeners,
)


class LinkState(StrEnum):
    """Whether replies on a link can be believed."""

    SYNCED = "SYNCED"
    """Every reply so far belonged to its question."""
    DESYNCED = "DESYNCED"
    """A reply may still be under way, or its question unknown: resynchronise."""
    DEAD = "DEAD"
    """The connection is gone: resynchronise when it is back."""
    CLOSED = "CLOSED"
    """Closed on purpose, for good."""


def translated(error: BaseException) -> tuple[LinkState, BaseException]:
    """Return the state a failure leaves the link in, and the failure as one of ours."""
    match error:
        case HilError():
            # A limit is checked before a byte is sent, by the guard too.
            left = {LinkLost: LinkState.DEAD, LimitError: LinkState.SYNCED}
            return left.get(type(error), LinkState.DESYNCED), error
        case TimeoutError():
            return LinkState.DESYNCED, LinkTimeout(f"no complete reply in time ({error}): resynchronise the link")
        case VisaIOError(error_code=StatusCode.error_timeout):
            return LinkState.DESYNCED, LinkTimeout(
                f"no complete reply in time ({error.abbreviation}): resynchronise the link"
            )
        case VisaIOError(error_code=StatusCode.error_resource_not_found):
            return LinkState.DEAD, LinkLost(f"nothing is there ({error.abbreviation}): check address, power, cabling")
        case VisaIOError() if error.error_code in _LOST:
            return LinkState.DEAD, LinkLost(f"the connection is gone ({error.abbreviation}): check power and cabling")
        case VisaIOError():
            return LinkState.DESYNCED, LinkError(str(error))
        case InvalidSession() | OSError() | RuntimeError() if not isinstance(error, NotImplementedError):
            return LinkState.DEAD, LinkLost(
                f"the connection is gone ({type(error).__name__}: {error}): check power and cabling"
            )
        case Exception():
            return LinkState.DESYNCED, LinkError(f"the VISA library failed ({type(error).__name__}: {error})")
        case _:
            return LinkState.DESYNCED, error
