"""The two ways to pulse and to read devices, behind one interface: what the experiment needs and nothing more."""

from typing import Protocol, Self, final

import numpy as np
from numpy.typing import NDArray

from calibration.protocols import Price, StaircaseConfig
from drivers.bench import Bench
from drivers.errors import DeviceFault
from drivers.protocols import ArrayProgrammer, Polarity, Pulse, Quality

_PATTERN_LIMIT = 255


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


@final
class ArrayStation:
    """Devices of an array behind its controller. The pulse drivers are connected only inside `with`.

    Args:
        array: the controller.
        devices: device numbers, none twice.
        amplitude_v: magnitude of all pulses, volts.
    """

    price = Price(pulses_per_message=_PATTERN_LIMIT, messages_per_burst=7, messages_per_reading=3, message_s=1e-4)

    def __init__(self, array: ArrayProgrammer, devices: NDArray[np.uint32], amplitude_v: float) -> None:
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
        self._array.set_pulses(
            *(
                Pulse(polarity=way, amplitude_v=self._amplitude_v, width_s=width_s)
                for way in (Polarity.PUSH, Polarity.PULL)
            )
        )
        left = counts.copy()
        while left.any():
            now = np.minimum(left, _PATTERN_LIMIT)
            left -= now
            wanted, idle = now.astype(np.uint8), np.zeros(len(now), np.uint8)
            push, pull = (wanted, idle) if polarity is Polarity.PUSH else (idle, wanted)
            self._array.program_selected(self.devices, push, pull, tag=self._array.last_tag() + 1)

    def read(self) -> NDArray[np.float64]:
        """Read the conductance of every device once, siemens."""
        codes = self._array.read_selected(self.devices)
        return self._scale.offset_s + codes.astype(np.float64) * self._scale.lsb_s


@final
class WiredStation:
    """One device behind pulse generator, switch and source-measure unit.

    An output is on only while it pulses or measures; the bench moves relays with both off.

    Args:
        bench: the bench with the three instruments.
        device: device number, one of those wired.
        config: amplitude of the pulses, voltage and compliance of the readings.
    """

    resolution_s = 0.0
    price = Price(pulses_per_message=10**6, messages_per_burst=55, messages_per_reading=25, message_s=1e-3)

    def __init__(self, bench: Bench, device: int, config: StaircaseConfig) -> None:
        self._bench = bench
        self._config = config
        self._measures: bool | None = None
        self.devices = np.array([device], np.uint32)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._bench.disconnect()

    def pulse(self, polarity: Polarity, width_s: float, counts: NDArray[np.int64]) -> None:
        """Fire `counts[0]` pulses at the device. Moves the wall."""
        if not counts[0]:
            return
        self._connect(measure=False)
        source = self._bench.pulse_source
        try:
            source.arm(Pulse(polarity=polarity, amplitude_v=self._config.amplitude_v, width_s=width_s))
            source.fire(int(counts[0]))
        finally:
            source.output_off()

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

    def _connect(self, *, measure: bool) -> None:
        if self._measures is not measure:
            self._measures = None
            device = int(self.devices[0])
            if measure:
                self._bench.connect_measure(device)
            else:
                self._bench.connect_pulse(device)
            self._measures = measure
