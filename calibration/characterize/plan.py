"""Which devices, by which way, in which order, and within which limits: everything settled before anything moves."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from calibration.experiment import ExperimentOrigin
from calibration.protocols import (
    Action,
    Bring,
    ExperimentProtocol,
    Fire,
    FireUntilMoved,
    Read,
    Route,
    Sweep,
    protocol_from,
)
from calibration.protocols.actions import check_rules
from calibration.protocols.cost import CostRange, Tariff
from calibration.record import InstrumentIdentity
from calibration.stations import ArrayStation, Bank, WiredStation, WiredStations
from drivers.bench import Bench
from drivers.entries import ArrayEntry, PulseSourceEntry
from drivers.errors import ConfigError
from drivers.protocols import Instrument

# Counted on the instruments of the bench that ships; rougher on others.
_ARRAY_PRICE: Final = replace(ArrayStation.price, messages_per_burst=8, messages_per_reading=1)
_WIRED_PRICE: Final = replace(WiredStation.price, messages_per_burst=45, messages_per_reading=10)


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Which devices, and how they are reached and read."""

    route: Route = Route.ARRAY
    """The way to the devices."""
    devices: int = 64
    """How many: drawn at random from the array, or at most as many as are wired."""
    seed: int = 0
    """Decides which devices, and the order of what is shuffled."""
    read_voltage_v: float = 0.1
    """Voltage of a reading by the source-measure unit, volts."""
    read_compliance_a: float = 1e-4
    """Current limit of such a reading, amperes."""

    def __post_init__(self) -> None:
        check_rules(
            "access",
            (self.devices >= 1, f"devices = {self.devices}: at least 1"),
            (self.seed >= 0, f"seed = {self.seed}: 0 or more"),
            (self.read_voltage_v != 0, "read_voltage_v: a reading at 0 V tells no conductance"),
            (self.read_compliance_a > 0, "read_compliance_a must be above zero"),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Plan:
    """An experiment on one bench: what will be done, and to which devices."""

    protocol: ExperimentProtocol
    """What."""
    access: Access
    """How the devices are reached."""
    actions: tuple[Action, ...]
    """What each group of devices goes through."""
    groups: tuple[NDArray[np.uint32], ...]
    """Device numbers of the groups, which follow one another."""
    origin: ExperimentOrigin
    """What the shots will say of where they come from; the store is made with it."""
    tariff: Tariff
    """What pulses and readings cost."""

    def __iter__(self) -> Iterator[tuple[int, int, Action]]:
        """Yield the number of each step, the number of its group, and what is done in it."""
        count = len(self.actions)
        for group in range(len(self.groups)):
            for number, action in enumerate(self.actions):
                yield group * count + number, group, action

    @property
    def steps(self) -> int:
        """Return the number of steps of all groups."""
        return len(self.actions) * len(self.groups)

    def cost(self) -> CostRange:
        """Return what it takes, at least and at most."""
        return self.tariff.of(self.actions)

    def bank(self, bench: Bench, group: int) -> Bank:
        """Return the devices of a group, to be pulsed and read."""
        devices = self.groups[group]
        if self.access.route is Route.ARRAY:
            return ArrayStation(bench.array, devices)
        if len(devices) == 1:
            return WiredStation(bench, int(devices[0]), self.access)
        return WiredStations(bench, devices, self.access)

    def check_continues(self, origin: ExperimentOrigin) -> None:
        """See that shots come from an experiment like this one, on the same bench.

        Raises:
            ConfigError: naming what differs.
        """
        mine = self.origin
        pairs = (
            ("experiment", origin.kind, mine.kind),
            ("bench", origin.bench, mine.bench),
            ("library", origin.library, mine.library),
            ("route", origin.route, mine.route),
            ("seed", origin.seed, mine.seed),
            ("resolution", origin.resolution_s, mine.resolution_s),
            ("instruments", origin.instruments, mine.instruments),
            *((name, origin.settings.get(name), value) for name, value in mine.settings.items()),
        )
        for name, found, wanted in pairs:
            if found != wanted:
                raise ConfigError(
                    f"the shots so far were made with {name} {found!r}, not {wanted!r}: "
                    "continue with the same bench and settings, or begin a new file"
                )


def plan_experiment(bench: Bench, protocol: ExperimentProtocol, access: Access | None = None) -> Plan:
    """Choose the devices and lay out the steps. Moves nothing and switches nothing on.

    Args:
        bench: an open bench.
        protocol: what to do.
        access: which devices, and how they are reached.

    Raises:
        ConfigError: the bench lacks what the route needs, or the experiment cannot take it.
        LimitError: a pulse or a reading lies outside a limit of the bench.
    """
    access = access or Access()
    if access.route not in protocol.routes:
        raise ConfigError(f"{protocol.kind} needs a source-measure unit: take the bench route")
    actions = tuple(protocol.actions(np.random.default_rng([access.seed, 1])))
    generator = np.random.default_rng(access.seed)
    on_array = access.route is Route.ARRAY
    if on_array:
        instruments: tuple[Instrument, ...] = (bench.array,)
        count = bench.array.device_count
        chosen = np.sort(generator.choice(count, min(access.devices, count), replace=False)).astype(np.uint32)
    else:
        instruments = (bench.pulse_source, bench.source_meter, bench.switch)
        chosen = generator.permutation(np.array(bench.wiring.devices, np.uint32))[: access.devices]
    _check_limits(actions, instruments, access)
    one_by_one = not (on_array or protocol.together)
    groups = tuple(chosen[place : place + 1] for place in range(len(chosen))) if one_by_one else (chosen,)
    return Plan(
        protocol=protocol,
        access=access,
        actions=actions,
        groups=groups,
        origin=ExperimentOrigin(
            kind=protocol.kind,
            settings=_settings(protocol, access, actions, groups),
            bench=bench.config.name,
            library=bench.config.library,
            route=access.route,
            started=datetime.now(UTC),
            seed=access.seed,
            resolution_s=bench.array.conductance_scale.lsb_s if on_array else 0.0,
            instruments=tuple(_identity(instrument) for instrument in instruments),
        ),
        tariff=Tariff(
            price=_ARRAY_PRICE if on_array else _WIRED_PRICE,
            resistance_ohm=_write_resistance_ohm(bench, access.route),
            devices=len(chosen),
            repeats=1 if on_array else len(chosen),
            reads_in_series=not on_array,
        ),
    )


def plan_again(bench: Bench, origin: ExperimentOrigin) -> Plan:
    """Lay an experiment out as its shots say that it was laid out, to continue it. Moves nothing.

    Raises:
        ConfigError: the shots were made otherwise, or on another bench.
        LimitError: a pulse or a reading lies outside a limit of the bench.
    """
    settings = dict(origin.settings)
    try:
        access = Access(
            route=origin.route,
            devices=len(settings.pop("devices")),
            seed=origin.seed,
            read_voltage_v=settings.pop("read_voltage_v"),
            read_compliance_a=settings.pop("read_compliance_a"),
        )
        del settings["steps_each"]
    except (KeyError, TypeError) as error:
        raise ConfigError(f"shots of {origin.kind!r} without {error} in their settings cannot be continued") from error
    plan = plan_experiment(bench, protocol_from(origin.kind, settings), access)
    plan.check_continues(origin)
    return plan


def _settings(
    protocol: ExperimentProtocol,
    access: Access,
    actions: tuple[Action, ...],
    groups: tuple[NDArray[np.uint32], ...],
) -> dict[str, Any]:
    """Return what was asked for as it comes back from JSON: lists, not tuples."""
    own: dict[str, Any] = asdict(protocol)  # pyright: ignore[reportArgumentType] - every protocol is a dataclass
    return {
        **{name: list(value) if isinstance(value, tuple) else value for name, value in own.items()},
        "read_voltage_v": access.read_voltage_v,
        "read_compliance_a": access.read_compliance_a,
        "devices": [device for group in groups for device in group.tolist()],
        "steps_each": len(actions),
    }


def _check_limits(actions: tuple[Action, ...], instruments: tuple[Instrument, ...], access: Access) -> None:
    wanted = {pair for action in set(actions) for pair in _quantities(action)}
    if access.route is Route.BENCH:
        wanted |= {("source voltage", access.read_voltage_v), ("compliance current", access.read_compliance_a)}
    elif any(quantity == "source voltage" for quantity, _ in wanted):
        raise ConfigError("the array controller reads at a voltage of its own: take the bench route")
    for instrument in instruments:
        for limit in instrument.limits:
            for value in sorted(value for quantity, value in wanted if quantity == limit.quantity):
                limit.check(value)


def _quantities(action: Action) -> tuple[tuple[str, float], ...]:
    """Return what an action asks of the instruments, by the names that limits have."""
    match action:
        case Fire() | FireUntilMoved():
            return ("pulse amplitude", action.amplitude_v), ("pulse width", action.width_s)
        case Bring():
            return ("pulse amplitude", action.how.amplitude_v), ("pulse width", action.how.width_s)
        case Read(voltage_v=float(voltage_v)):
            return (("source voltage", voltage_v),)
        case Sweep():
            return tuple(("source voltage", voltage_v) for voltage_v in action.voltages_v)
        case _:
            return ()


def _write_resistance_ohm(bench: Bench, route: Route) -> float:
    name = (bench.array if route is Route.ARRAY else bench.pulse_source).name
    entry = next(entry for entry in bench.config.instruments if entry.name == name)
    match entry:
        case ArrayEntry():
            return entry.write_resistance_ohm
        case PulseSourceEntry():
            return entry.load_ohm
        case _:
            raise ConfigError(f"{name} makes no pulses")


def _identity(instrument: Instrument) -> InstrumentIdentity:
    who = instrument.identity
    return InstrumentIdentity(
        name=instrument.name, manufacturer=who.manufacturer, model=who.model, serial=who.serial, firmware=who.firmware
    )
