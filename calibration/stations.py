"""The two ways to pulse and to read devices, behind one interface: what the experiment needs and nothing more."""

from collections.abc import Sequence
from typing import Protocol, Self, final

import numpy as np
from numpy.typing import NDArray

from calibration.protocols import Price
from drivers.bench import Bench
from drivers.errors import ConfigError, DeviceFault
from drivers.protocols import ArrayProgrammer, Polarity, Pulse, Quality, Readings

_PATTERN_LIMIT = 255
_TOP_CODE = 65535


class Station(Protocol):
    """A group of devices that can be pulsed and read."""

    @property
    def devices(self) -> NDArray[np.uint32]:
        """Return the device numbers."""
        ...

    @property
    def resolution_s(self) -> float:
        """Return the smallest difference of two readings, siemens; 0 when it is far below the noise."""
        ...

    @property
    def price(self) -> Price:
        """Return what pulses and readings cost."""
        ...

    def pulse(self, polarity: Polarity, width_s: float, counts: NDArray[np.int64]) -> None:
        """Fire `counts[i]` pulses at `devices[i]`. Moves the walls."""
        ...

    def read(self) -> NDArray[np.float64]:
        """Read the conductance of every device once, siemens."""
        ...

    def __enter__(self) -> Self:
        """Make ready. Moves nothing."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Leave all outputs off."""
        ...


class Bank(Protocol):
    """A group of devices that pulses of any shape can be fired at, and whose readings may fail one by one."""

    @property
    def devices(self) -> NDArray[np.uint32]:
        """Return the device numbers."""
        ...

    @property
    def resolution_s(self) -> float:
        """Return the smallest difference of two readings, siemens; 0 when it is far below the noise."""
        ...

    @property
    def read_voltage_v(self) -> float:
        """Return the voltage of a usual reading, volts; nan where nobody says."""
        ...

    def fire(self, amplitude_v: float, width_s: float, counts: NDArray[np.int64]) -> None:
        """Fire `counts[i]` pushes at `devices[i]`, or as many pulls where it is negative. Moves the walls."""
        ...

    def look(self, times: int = 1, *, voltage_v: float | None = None) -> NDArray[np.float64]:
        """Read every device so many times, siemens, shape (times, devices); nan where there is nothing to trust."""
        ...

    def sweep(self, voltages_v: Sequence[float]) -> NDArray[np.float64]:
        """Read every device at each voltage, siemens, shape (voltages, devices)."""
        ...

    def __enter__(self) -> Self:
        """Make ready. Moves nothing."""
        ...

    def __exit__(self, *exc: object) -> None:
        """Leave all outputs off."""
        ...


class ReadSettings(Protocol):
    """How a source-measure unit reads."""

    @property
    def read_voltage_v(self) -> float:
        """Return the voltage of a reading, volts."""
        ...

    @property
    def read_compliance_a(self) -> float:
        """Return the current limit of a reading, amperes."""
        ...


@final
class ArrayStation:
    """Devices of an array behind its controller. The pulse drivers are connected only inside `with`.

    Args:
        array: the controller.
        devices: device numbers, none twice.
        amplitude_v: magnitude of the pulses of `pulse`, volts.
    """

    price = Price(pulses_per_message=_PATTERN_LIMIT, messages_per_burst=7, messages_per_reading=3, message_s=1e-4)
    read_voltage_v = float("nan")

    def __init__(self, array: ArrayProgrammer, devices: NDArray[np.uint32], amplitude_v: float = 0.0) -> None:
        self._array = array
        self._scale = array.conductance_scale
        self._amplitude_v = amplitude_v
        self.devices = devices

    @property
    def resolution_s(self) -> float:
        """Return the conductance of one code, siemens."""
        return self._scale.lsb_s

    def __enter__(self) -> Self:
        try:
            self._array.output_on()
        except BaseException:
            self._array.output_off()
            raise
        return self

    def __exit__(self, *_exc: object) -> None:
        self._array.output_off()

    def pulse(self, polarity: Polarity, width_s: float, counts: NDArray[np.int64]) -> None:
        """Fire `counts[i]` pulses at `devices[i]`, in as many patterns as the largest count needs. Moves the walls."""
        self.fire(self._amplitude_v, width_s, counts if polarity is Polarity.PUSH else -counts)

    def fire(self, amplitude_v: float, width_s: float, counts: NDArray[np.int64]) -> None:
        """Fire pushes, or pulls where a count is negative, in as many patterns as it takes. Moves the walls."""
        self._array.set_pulses(
            *(Pulse(polarity=way, amplitude_v=amplitude_v, width_s=width_s) for way in (Polarity.PUSH, Polarity.PULL))
        )
        left = counts.copy()
        while left.any():
            now = np.clip(left, -_PATTERN_LIMIT, _PATTERN_LIMIT)
            left -= now
            push, pull = (np.maximum(way, 0).astype(np.uint8) for way in (now, -now))
            self._array.program_selected(self.devices, push, pull, tag=self._array.last_tag() + 1)

    def read(self) -> NDArray[np.float64]:
        """Read the conductance of every device once, siemens."""
        return self._conductance_s(self._array.read_selected(self.devices))

    def look(self, times: int = 1, *, voltage_v: float | None = None) -> NDArray[np.float64]:
        """Read every device so many times, siemens, shape (times, devices); nan at either end of the code's range."""
        if voltage_v is not None:
            raise ConfigError("the voltage of a reading is the array controller's own; choose it on the bench route")
        readings = np.empty((times, len(self.devices)))
        for row in readings:
            codes = self._array.read_selected(self.devices)
            row[:] = np.where((codes > 0) & (codes < _TOP_CODE), self._conductance_s(codes), np.nan)
        return readings

    def sweep(self, voltages_v: Sequence[float]) -> NDArray[np.float64]:
        """Refuse: the controller reads at a voltage of its own."""
        raise ConfigError(f"an array controller reads at one voltage, not {len(voltages_v)}: take the bench route")

    def _conductance_s(self, codes: NDArray[np.uint16]) -> NDArray[np.float64]:
        return self._scale.offset_s + codes.astype(np.float64) * self._scale.lsb_s


@final
class WiredStation:
    """One device behind pulse generator, switch and source-measure unit.

    An output is on only while it pulses or measures; the bench moves relays with both off.

    Args:
        bench: the bench with the three instruments.
        device: device number, one of those wired.
        config: voltage and compliance of the readings.
        amplitude_v: magnitude of the pulses of `pulse`, volts.
    """

    resolution_s = 0.0
    price = Price(pulses_per_message=10**6, messages_per_burst=55, messages_per_reading=25, message_s=1e-3)

    def __init__(self, bench: Bench, device: int, config: ReadSettings, amplitude_v: float = 0.0) -> None:
        self._bench = bench
        self._config = config
        self._amplitude_v = amplitude_v
        self._measures: bool | None = None
        self.devices = np.array([device], np.uint32)

    @property
    def read_voltage_v(self) -> float:
        """Return the voltage of a usual reading, volts."""
        return self._config.read_voltage_v

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._bench.disconnect()

    def pulse(self, polarity: Polarity, width_s: float, counts: NDArray[np.int64]) -> None:
        """Fire `counts[0]` pulses at the device. Moves the wall."""
        self.fire(self._amplitude_v, width_s, counts if polarity is Polarity.PUSH else -counts)

    def fire(self, amplitude_v: float, width_s: float, counts: NDArray[np.int64]) -> None:
        """Fire `counts[0]` pushes at the device, or as many pulls if it is negative. Moves the wall."""
        count = int(counts[0])
        if not count:
            return
        polarity = Polarity.PUSH if count > 0 else Polarity.PULL
        self._connect(measure=False)
        source = self._bench.pulse_source
        try:
            source.arm(Pulse(polarity=polarity, amplitude_v=amplitude_v, width_s=width_s))
            source.fire(abs(count))
        finally:
            source.output_off()

    def look(self, times: int = 1, *, voltage_v: float | None = None) -> NDArray[np.float64]:
        """Read the device so many times, siemens, shape (times, 1); nan in compliance or without a measurement."""
        level_v = self._config.read_voltage_v if voltage_v is None else voltage_v
        self._connect(measure=True)
        meter = self._bench.source_meter
        try:
            meter.source_voltage(level_v, compliance_a=self._config.read_compliance_a)
            meter.output_on()
            if times == 1:
                reading = meter.measure()
                good = reading.quality is Quality.GOOD
                return np.array([[reading.current_a / reading.voltage_v if good else np.nan]])
            readings = meter.measure_many(times)
        finally:
            meter.output_off()
        return _quotients(readings)

    def sweep(self, voltages_v: Sequence[float]) -> NDArray[np.float64]:
        """Read the device at each voltage by the meter's own list, siemens, shape (voltages, 1)."""
        self._connect(measure=True)
        levels = np.array(voltages_v)
        return _quotients(self._bench.source_meter.sweep(levels, compliance_a=self._config.read_compliance_a))

    def read(self) -> NDArray[np.float64]:
        """Read the conductance of the device once, siemens.

        Raises:
            DeviceFault: the current was held by the compliance limit.
        """
        self._connect(measure=True)
        meter = self._bench.source_meter
        try:
            meter.source_voltage(self._config.read_voltage_v, compliance_a=self._config.read_compliance_a)
            meter.output_on()
            reading = meter.measure()
        finally:
            meter.output_off()
        match reading.quality:
            case Quality.GOOD:
                return np.array([reading.current_a / reading.voltage_v])
            case Quality.LIMITED:
                raise DeviceFault(
                    f"device {self.devices[0]}: the current reached the compliance of "
                    f"{self._config.read_compliance_a:g} A at {self._config.read_voltage_v:g} V; "
                    "look for a short, or raise read_compliance_a"
                )
            case Quality.SUSPECT | Quality.INVALID | Quality.NEVER:
                raise DeviceFault(
                    f"device {self.devices[0]}: the meter gave no reading to trust ({reading.quality}) "
                    f"at {self._config.read_voltage_v:g} V; look for an open contact or a range that is too small"
                )

    def forget(self) -> None:
        """Take nothing for granted about the relays."""
        self._measures = None

    def _connect(self, *, measure: bool) -> None:
        if self._measures is not measure:
            self._measures = None
            device = int(self.devices[0])
            if measure:
                self._bench.connect_measure(device)
            else:
                self._bench.connect_pulse(device)
            self._measures = measure


@final
class WiredStations:
    """Several wired devices, pulsed and read one after the other within each step.

    Args:
        bench: the bench with the three instruments.
        devices: device numbers, all of them wired.
        config: voltage and compliance of the readings.
    """

    resolution_s = 0.0
    price = WiredStation.price

    def __init__(self, bench: Bench, devices: NDArray[np.uint32], config: ReadSettings) -> None:
        self.devices = devices
        self.read_voltage_v = config.read_voltage_v
        self._stations = [WiredStation(bench, device, config) for device in devices.tolist()]
        self._bench = bench
        self._now: WiredStation | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._bench.disconnect()

    def fire(self, amplitude_v: float, width_s: float, counts: NDArray[np.int64]) -> None:
        """Fire `counts[i]` pushes at `devices[i]`, or as many pulls where it is negative. Moves the walls."""
        for place, station in enumerate(self._stations):
            if counts[place]:
                self._turn_to(station).fire(amplitude_v, width_s, counts[place : place + 1])

    def look(self, times: int = 1, *, voltage_v: float | None = None) -> NDArray[np.float64]:
        """Read every device so many times, siemens, shape (times, devices); nan where there is nothing to trust."""
        return np.hstack([self._turn_to(station).look(times, voltage_v=voltage_v) for station in self._stations])

    def sweep(self, voltages_v: Sequence[float]) -> NDArray[np.float64]:
        """Read every device at each voltage, siemens, shape (voltages, devices)."""
        return np.hstack([self._turn_to(station).sweep(voltages_v) for station in self._stations])

    def _turn_to(self, station: WiredStation) -> WiredStation:
        """Return a station that does not believe its relays to be as it left them, if another one was in between."""
        if station is not self._now:
            station.forget()
            self._now = station
        return station


def _quotients(readings: Readings) -> NDArray[np.float64]:
    good = readings.good & (readings.voltage_v != 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(good, readings.current_a / readings.voltage_v, np.nan)[:, None]
