"""From a generator's output to the walls: through the switch, down to the voltage that the devices take."""

from sim_instruments.place import Place

SOURCE_OHM = 50.0
"""Output impedance of every generator here."""


def deliver_burst(
    place: Place, count: int, *, open_circuit_v: float, width_s: float, period_s: float, source: str
) -> None:
    """Send a burst to every device whose crosspoint on the pulse row is closed. Moves their walls; takes its time.

    Args:
        place: where the generator stands.
        count: pulses in the burst.
        open_circuit_v: excursion from the base without a load, volts; positive pushes, negative pulls.
        width_s: full width at half maximum, seconds.
        period_s: from one pulse to the next, seconds.
        source: the generator's model, for the ledger.
    """
    clock = place.sample.clock
    stop_s = clock.now_s + count * period_s
    devices = place.wiring.pulsed_devices()
    for device in devices:
        amplitude_v = open_circuit_v * _share_delivered(place, len(devices))
        place.sample.pulse_device(device, count, amplitude_v=amplitude_v, width_s=width_s, source=source)
    clock.advance(max(0.0, stop_s - clock.now_s))


def _share_delivered(place: Place, device_count: int) -> float:
    """Return the part of the open-circuit voltage that reaches so many devices in parallel."""
    resistance_ohm = place.sample.write_resistance_ohm / device_count
    return resistance_ohm / (resistance_ohm + SOURCE_OHM)
