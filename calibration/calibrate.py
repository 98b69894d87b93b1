"""From a bench to device parameters: choose devices, measure, record, fit."""

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import final

import numpy as np

from calibration.acquire import Progress, Readings, run_staircase
from calibration.parameters import DeviceParameters
from calibration.protocols import Route, StaircaseConfig
from calibration.record import InstrumentIdentity, Origin, StaircaseRecord
from calibration.stations import ArrayStation, Station, WiredStation
from drivers.bench import Bench
from drivers.protocols import Instrument


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """Parameters together with the readings they come from."""

    parameters: DeviceParameters
    """What was learnt."""
    record: StaircaseRecord
    """What was read."""

    def save(self, path: Path) -> DeviceParameters:
        """Write the raw record, then the parameter file that names it. Return the parameters as written.

        Args:
            path: the parameter file, for example `parameters.json`; the record lies beside it. Folders are made.
        """
        path.parent.mkdir(parents=True, exist_ok=True)
        raw = path.with_suffix(".raw.npz")
        self.record.save(raw)
        parameters = self.parameters.model_copy(update={"raw_file": raw.name})
        parameters.save(path)
        return parameters


def calibrate(
    bench: Bench, config: StaircaseConfig | None = None, *, seed: int = 0, progress: Progress | None = None
) -> Calibration:
    """Measure a staircase on randomly chosen devices and fit it. Moves their walls and leaves them in the middle.

    Args:
        bench: an open bench.
        config: what to measure; None is the default staircase through the array controller.
        seed: decides which devices, and the order of devices and runs.
        progress: called with steps done, steps in all, and what is going on.

    Raises:
        ConfigError: the bench lacks what the route needs.
        DeviceFault: devices do not behave as domain-wall devices should.
        LimitError: the pulses lie outside a limit of the bench.
    """
    config = config or StaircaseConfig()
    generator = np.random.default_rng(seed)
    stations, instruments = _stations(bench, config, generator)
    report = _Counter(total=config.total_steps * len(stations), report=progress)
    readings = [run_staircase(station, config, generator, report) for station in stations]
    origin = Origin(
        bench=bench.config.name,
        library=bench.config.library,
        route=config.route,
        created=datetime.now(UTC),
        seed=seed,
        amplitude_v=config.amplitude_v,
        reference_width_s=config.reference_width_s,
        margin=config.margin,
        resolution_s=stations[0].resolution_s,
        instruments=tuple(_identity(instrument) for instrument in instruments),
    )
    record = _joined(stations, readings, config, origin)
    return Calibration(parameters=fit_record(record), record=record)


def fit_record(record: StaircaseRecord) -> DeviceParameters:
    """Fit a record, fresh or read back from its file. Moves nothing."""
    # scipy takes most of a second to import: only a fit pays for it.
    from calibration.fit import fit_displacement

    fit, origin = fit_displacement(record), record.origin
    _, cycles, _, readings, _ = record.conductance_s.shape
    return DeviceParameters(
        created=origin.created,
        bench=origin.bench,
        library=origin.library,
        route=origin.route,
        amplitude_v=origin.amplitude_v,
        reference_width_s=origin.reference_width_s,
        width_range_s=(float(record.width_s[0]), float(record.width_s[-1])),
        mu_push=fit.push.mean,
        mu_pull=fit.pull.mean,
        variance_push=fit.push.variance,
        variance_pull=fit.pull.variance,
        fano_push=fit.push.fano,
        fano_pull=fit.pull.fano,
        dtod_push=fit.push.dtod,
        dtod_pull=fit.pull.dtod,
        read_noise=fit.read_noise,
        conductance_low_s=fit.conductance_low_s,
        conductance_high_s=fit.conductance_high_s,
        proportionality_p=fit.proportionality_p,
        evenness_p=fit.evenness_p,
        devices=fit.devices,
        dropped_devices=fit.dropped_devices,
        dropped_runs=fit.dropped_runs,
        cycles=cycles,
        pulses=int(record.pulses.sum()) * (readings - 1) * cycles,
        instruments=origin.instruments,
        raw_file=None,
        raw_sha256=record.sha256(),
    )


def _stations(
    bench: Bench, config: StaircaseConfig, generator: np.random.Generator
) -> tuple[list[Station], list[Instrument]]:
    if config.route is Route.ARRAY:
        array = bench.array
        chosen = generator.choice(array.device_count, min(config.devices, array.device_count), replace=False)
        return [ArrayStation(array, np.sort(chosen).astype(np.uint32), config.amplitude_v)], [array]
    chosen = generator.permutation(bench.wiring.devices)[: config.devices].tolist()
    return [WiredStation(bench, device, config, config.amplitude_v) for device in chosen], [
        bench.pulse_source,
        bench.source_meter,
        bench.switch,
    ]


def _joined(
    stations: list[Station], readings: list[Readings], config: StaircaseConfig, origin: Origin
) -> StaircaseRecord:
    return StaircaseRecord(
        device=np.concatenate([station.devices for station in stations]),
        width_s=np.array(config.widths_s),
        pulses=np.concatenate([one.pulses for one in readings], axis=-1),
        conductance_s=np.concatenate([one.conductance_s for one in readings], axis=-1),
        low_s=np.concatenate([one.ends.low_s for one in readings], axis=-1),
        high_s=np.concatenate([one.ends.high_s for one in readings], axis=-1),
        rest_s=np.concatenate([one.rest_s for one in readings], axis=-1),
        origin=origin,
    )


def _identity(instrument: Instrument) -> InstrumentIdentity:
    who = instrument.identity
    return InstrumentIdentity(
        name=instrument.name, manufacturer=who.manufacturer, model=who.model, serial=who.serial, firmware=who.firmware
    )


@final
class _Counter:
    """Counts steps for whoever watches; a text without a step only says what is going on."""

    def __init__(self, total: int, report: Progress | None) -> None:
        self._total = total
        self._report = report
        self._done = 0

    def __call__(self, text: str, *, steps: int = 0) -> None:
        self._done += steps
        if self._report is not None:
            self._report(self._done, self._total, text)
