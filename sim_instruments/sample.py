"""The sample: the one set of devices that every instrument of the bench reaches."""

import math
import zlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, final

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from sim_instruments.ageing import Ageing, AgeingParameters
from sim_instruments.clock import VirtualClock
from sim_instruments.faulty_devices import FaultParameters, FaultyDevices
from sim_instruments.ledger import DETAILED_DEVICES, Entry, Ledger
from sim_instruments.nonvolatile import Memory
from sim_instruments.physics.readout import read_range, read_selected
from sim_instruments.physics.readout.array_law import array_law
from sim_instruments.physics.readout.contacts import Contacts, Windows
from sim_instruments.physics.readout.load import Load
from sim_instruments.physics.readout.parameters import Converter, Electrical
from sim_instruments.physics.walls import Drive, Moved
from sim_instruments.wall_models import WallModel, WallParameters, wall_model


class SampleConfig(BaseModel):
    """`[sample]`: the devices of a simulated bench."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    devices: Annotated[int, Field(ge=1, le=1 << 30)]
    seed: Annotated[int, Field(ge=0, lt=1 << 63)]
    initial_position: Annotated[float, Field(ge=0, le=1)] = 0.5
    state: Annotated[str, Field(min_length=1)] | None = None
    """Folder that keeps walls and counters over the end of the program, relative to the bench file; None keeps none."""
    wall: WallParameters
    electrical: Electrical
    readout: Converter
    faults: FaultParameters = FaultParameters()
    ageing: AgeingParameters = AgeingParameters()

    @model_validator(mode="after")
    def _faults_and_ageing_fit(self) -> "SampleConfig":
        self.faults.check(self.devices)
        self.ageing.check(self.wall)
        return self


@final
class Sample:
    """Devices, their ledger and their clock. Instruments hold a reference to it and nothing else of one another."""

    def __init__(self, config: SampleConfig) -> None:
        self.config = config
        model = wall_model(config.wall)
        self.memory = _memory(config, model)
        counters = self.memory.counters
        self.ledger = Ledger(counters)
        self.clock = VirtualClock(counters)
        self.walls = model.build(config.devices, config.seed, self.memory.state)
        self.faults = FaultyDevices(config.faults, config.devices, config.seed, self.clock)
        self.ageing = Ageing(config.ageing, config.wall, self.walls, self.memory, self.clock, config.seed)
        self._read_law = array_law(config.electrical, config.readout)
        self.contacts = Contacts(config.electrical, self.walls.position, (config.seed, self.memory.power_ons))
        # Fresh memory for every read of a large array would cost more than the read.
        self._codes = np.empty(config.devices, np.uint16)

    @property
    def device_count(self) -> int:
        """Return the number of devices."""
        return self.config.devices

    @property
    def write_resistance_ohm(self) -> float:
        """Return the resistance a programming pulse sees."""
        return self.config.electrical.write_resistance_ohm

    @property
    def code_offset_s(self) -> float:
        """Return the conductance at code 0."""
        return self.config.readout.code_offset_s

    @property
    def code_lsb_s(self) -> float:
        """Return the conductance of one code."""
        return self.config.readout.code_lsb_s

    def pulse_range(
        self, first: int, push: NDArray[np.uint8], pull: NDArray[np.uint8], drive: Drive, *, source: str, tag: int
    ) -> None:
        """Fire at devices `first ...`. Moves the walls and enters the ledger."""
        self._rest()
        event = self._next_event()
        before = self.ageing.before_range(first, len(push))
        with self.faults.hampering(self.walls.position):
            moved = self.walls.pulse_range(first, push, pull, drive, event)
            self.ageing.after_range(before, first, push, pull, drive, event)
        devices = np.arange(first, first + len(push), dtype=np.uint32) if len(push) <= DETAILED_DEVICES else None
        self._enter(drive, moved, source, tag, first, len(push), devices, push, pull)

    def pulse_selected(
        self,
        devices: NDArray[np.uint32],
        push: NDArray[np.uint8],
        pull: NDArray[np.uint8],
        drive: Drive,
        *,
        source: str,
        tag: int,
    ) -> None:
        """Fire at these devices, none named twice. Moves the walls and enters the ledger."""
        counts = push.astype(np.int64), pull.astype(np.int64)
        moved = self._pulse_selected(devices, *counts, drive)
        kept = devices.copy() if len(devices) <= DETAILED_DEVICES else None
        self._enter(drive, moved, source, tag, int(devices.min(initial=0)), len(devices), kept, push, pull)

    def pulse_device(self, device: int, count: int, *, amplitude_v: float, width_s: float, source: str) -> None:
        """Fire a burst at one device: positive amplitudes push, negative pull. Moves the wall, enters the ledger."""
        is_push = amplitude_v > 0
        drive = Drive(
            push_amplitude_v=amplitude_v if is_push else 0.0,
            push_width_s=width_s if is_push else 0.0,
            pull_amplitude_v=0.0 if is_push else -amplitude_v,
            pull_width_s=0.0 if is_push else width_s,
        )
        devices = np.array([device], np.uint32)
        push, pull = np.array([count if is_push else 0]), np.array([0 if is_push else count])
        moved = self._pulse_selected(devices, push, pull, drive)
        self._enter(drive, moved, source, 0, device, 1, devices, push, pull)

    def conductance_s(self, device: int) -> float:
        """Return one device's conductance without noise, siemens."""
        self._rest()
        faulty_s = self.faults.conductance_s(device)
        return self.contacts.conductance_s(device) if faulty_s is None else faulty_s

    def load(self, devices: Sequence[int], windows: Windows | None = None) -> Load:
        """Return what these devices are side by side, with their faults: see `Contacts.load`."""
        self._rest()
        faulty_s = {device: self.faults.conductance_s(device) for device in devices}
        whole = [device for device, conductance_s in faulty_s.items() if conductance_s is None]
        shunt_s = math.fsum(conductance_s for conductance_s in faulty_s.values() if conductance_s is not None)
        return self.contacts.load(whole, windows, shunt_s=shunt_s)

    def note_measured(self, devices: Sequence[int], voltages_v: float | NDArray[np.float64]) -> None:
        """Note that a meter has taken a reading of these devices at each voltage. Moves walls if readings do."""
        if self.ageing.has_read_disturb:
            with self.faults.holding(self.walls.position):
                for device in devices:
                    self.ageing.measure(device, np.atleast_1d(voltages_v), self._next_event())

    def read_codes(self, first: int, count: int) -> NDArray[np.uint16]:
        """Read a range of devices; the codes are overwritten by the next read."""
        self._rest()
        codes, event = self._codes[:count], self._next_event()
        read_range(self.walls.position, first, codes, self._read_law, event, self.config.seed)
        self.faults.spoil_range(first, codes, self.config.readout, event)
        with self.faults.holding(self.walls.position):
            self.ageing.read_range(first, count, event)
        return codes

    def read_codes_selected(self, devices: NDArray[np.uint32]) -> NDArray[np.uint16]:
        """Read these devices."""
        self._rest()
        event = self._next_event()
        codes = read_selected(self.walls.position, devices, self._read_law, event, self.config.seed)
        self.faults.spoil_selected(devices, codes, self.config.readout, event)
        with self.faults.holding(self.walls.position):
            self.ageing.read_selected(devices, event)
        return codes

    def noise_source(self, serial: str) -> np.random.Generator:
        """Return an instrument's own source of noise, which is another one each time the bench is switched on."""
        key = [self.config.seed, zlib.crc32(serial.encode())]
        return np.random.default_rng([*key, self.memory.power_ons] if self.memory.power_ons else key)

    def close(self) -> None:
        """Write a kept state to the disk and let others have it."""
        self.memory.close()

    def _rest(self) -> None:
        if self.ageing.has_rest:
            with self.faults.holding(self.walls.position):
                self.ageing.rest(self._next_event)

    def _pulse_selected(
        self, devices: NDArray[np.uint32], push: NDArray[np.int64], pull: NDArray[np.int64], drive: Drive
    ) -> Moved:
        self._rest()
        event = self._next_event()
        before = self.ageing.before_selected(devices)
        with self.faults.hampering(self.walls.position):
            moved = self.walls.pulse_selected(devices, push, pull, drive, event)
            self.ageing.after_selected(before, devices, push, pull, drive, event)
        return moved

    def _next_event(self) -> int:
        # Counted before it is used: after a kill in the middle its noise is not drawn again.
        events = self.memory.counters["events"]
        events += 1
        return int(events[0])

    def _enter(
        self,
        drive: Drive,
        moved: Moved,
        source: str,
        tag: int,
        first: int,
        device_count: int,
        devices: NDArray[np.uint32] | None,
        push: NDArray[np.uint8] | NDArray[np.int64],
        pull: NDArray[np.uint8] | NDArray[np.int64],
    ) -> None:
        per_ohm = (
            moved.push_pulses * drive.push_amplitude_v**2 * drive.push_width_s
            + moved.pull_pulses * drive.pull_amplitude_v**2 * drive.pull_width_s
        )
        self.clock.advance(moved.busy_s)
        self.ledger.add(
            Entry(
                source=source,
                tag=tag,
                time_s=self.clock.now_s,
                first=first,
                device_count=device_count,
                push_pulses=moved.push_pulses,
                pull_pulses=moved.pull_pulses,
                push_amplitude_v=drive.push_amplitude_v,
                push_width_s=drive.push_width_s,
                pull_amplitude_v=drive.pull_amplitude_v,
                pull_width_s=drive.pull_width_s,
                energy_j=per_ohm / self.write_resistance_ohm,
                devices=devices,
                push=None if devices is None else push.copy(),
                pull=None if devices is None else pull.copy(),
            )
        )


def _memory(config: SampleConfig, model: WallModel) -> Memory:
    kept = tuple(replace(one, initial=config.initial_position) if one.name == "position" else one for one in model.kept)
    kept += config.ageing.kept
    if config.state is None:
        return Memory.volatile(config.devices, kept)
    description = config.model_dump(mode="json", exclude={"state"})
    return Memory.kept_in(Path(config.state), config.devices, kept, description)
