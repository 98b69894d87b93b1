"""Every instrument model there is a twin of. A new twin is one file and one line here."""

from collections.abc import Callable
from typing import Final

from sim_instruments.bus import BusDevice
from sim_instruments.instrument import Instrument
from sim_instruments.instruments import (
    bnc_577,
    dwa,
    keithley_707b,
    keithley_2400,
    keithley_2450,
    keithley_2600b,
    keithley_7001,
    keysight_33500b,
    keysight_81160a,
    keysight_b2900,
)
from sim_instruments.place import Place
from sim_instruments.tsp.exchange import TspInstrument

TWINS: Final[dict[str, Callable[[Place], BusDevice]]] = {
    keysight_81160a.MODEL: lambda place: Instrument(keysight_81160a.Keysight81160A(place)),
    keysight_33500b.MODEL_33500B: lambda place: Instrument(keysight_33500b.keysight_33500b(place)),
    keysight_33500b.MODEL_33600A: lambda place: Instrument(keysight_33500b.keysight_33600a(place)),
    bnc_577.MODEL: bnc_577.bnc_577,
    keithley_2400.MODEL: lambda place: Instrument(keithley_2400.Keithley2400(place)),
    keithley_2450.MODEL: lambda place: Instrument(keithley_2450.Keithley2450(place)),
    **{
        model: lambda place, model=model: Instrument(keithley_7001.Keithley7001(place, model))
        for model in keithley_7001.SLOTS
    },
    **{
        model: lambda place, model=model: Instrument(keysight_b2900.KeysightB2900(place, model))
        for model in keysight_b2900.CHANNELS
    },
    **keithley_2600b.TWINS,
    keithley_707b.MODEL: lambda place: TspInstrument(keithley_707b.Keithley707B(place)),
    dwa.MODEL: lambda place: Instrument(dwa.Dwa(place)),
}
"""What builds each model."""
