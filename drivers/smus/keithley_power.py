"""The power envelope that the Keithley 2400 and 2450 share: much current up to 21 V, little above."""

from drivers.errors import LimitError

LOW_V = 21.0
"""Up to this voltage the whole current range is there."""

HIGH_A = 0.105
"""Most current above it."""


def check_envelope(level_v: float, compliance_a: float) -> None:
    """Raise `LimitError` where the instrument would refuse a level together with a compliance."""
    if abs(level_v) > LOW_V and compliance_a > HIGH_A:
        raise LimitError(
            f"source voltage {level_v:.9g} V allows a compliance current of {HIGH_A} A, not {compliance_a:.9g} A: "
            f"above {LOW_V:g} V the output gives no more, says the manual"
        )
