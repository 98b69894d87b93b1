"""Every instrument model there is a driver for. A new driver is one file and one line here."""

from typing import Any, Final

from drivers.arrays import dwa
from drivers.model import Model
from drivers.pulse_generators import bnc_577, keysight_33500b, keysight_81160a
from drivers.smus import keithley_2400, keithley_2450, keithley_2600b, keysight_b2900
from drivers.switches import keithley_707b, keithley_7001

MODELS: Final[dict[str, Model[Any]]] = {
    model.key: model
    for model in (
        keysight_81160a.MODEL,
        keysight_33500b.MODEL_33500B,
        keysight_33500b.MODEL_33600A,
        bnc_577.MODEL,
        keithley_2400.MODEL,
        keithley_2450.MODEL,
        keysight_b2900.B2901A,
        keysight_b2900.B2902A,
        *keithley_2600b.MODELS,
        keithley_7001.MODEL,
        keithley_7001.MODEL_7002,
        keithley_707b.MODEL,
        dwa.MODEL,
    )
}
"""Models by their names in bench files."""
