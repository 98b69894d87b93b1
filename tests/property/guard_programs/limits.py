"""The limits that the hunt holds instruments to, where they are, and what their programs are made of."""

from dataclasses import dataclass

from guard_programs import bnc_577, dwa, keysight_33500b, keysight_81160a, source_meters, tsp
from guard_programs.vocabulary import Vocabulary

WRITE_OHM = 2000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PulseLimits:
    """What may reach a device."""

    amplitude_v: tuple[float, float] = (0.1, 2.5)
    width_s: tuple[float, float] = (5e-9, 2e-6)
    energy_j: float = 2e-8
    """Most energy of one burst in one device."""
    load: str = f"load_ohm = {WRITE_OHM}"
    """How the bench file says what the devices are behind."""

    def table(self) -> str:
        """Return the lines of the bench file."""
        return (
            f"{self.load}\nlimits.amplitude_v = {list(self.amplitude_v)}\nlimits.width_s = {list(self.width_s)}\n"
            f"limits.burst_energy_j = {self.energy_j}\n"
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceLimits:
    """What a source-measure unit may show while its output is on."""

    voltage_v: tuple[float, float] = (-0.2, 0.2)
    compliance_a: tuple[float, float] = (1e-9, 1e-3)

    def table(self) -> str:
        """Return the lines of the bench file."""
        return f"limits.voltage_v = {list(self.voltage_v)}\nlimits.compliance_a = {list(self.compliance_a)}\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quarry:
    """One model of the hunt."""

    address: str
    limits: PulseLimits | SourceLimits
    words: Vocabulary


QUARRY = {
    "keysight-81160a": Quarry(
        address="TCPIP0::pulser.bench::inst0::INSTR", limits=PulseLimits(), words=keysight_81160a.VOCABULARY
    ),
    "keysight-33500b": Quarry(
        address="TCPIP0::slow-arb.bench::inst0::INSTR",
        limits=PulseLimits(width_s=(2e-8, 2e-6)),
        words=keysight_33500b.KEYSIGHT_33500B,
    ),
    "keysight-33600a": Quarry(
        address="TCPIP0::arb.bench::inst0::INSTR", limits=PulseLimits(), words=keysight_33500b.KEYSIGHT_33600A
    ),
    "bnc-577": Quarry(
        address="ASRL3::INSTR",
        limits=PulseLimits(
            amplitude_v=(1.96, 2.5), width_s=(1e-8, 2e-6), load=f"load_ohm = {WRITE_OHM}\npull_channel = 2"
        ),
        words=bnc_577.VOCABULARY,
    ),
    "dwa-1": Quarry(
        address="TCPIP0::array.bench::inst0::INSTR",
        limits=PulseLimits(load=f"write_resistance_ohm = {WRITE_OHM}"),
        words=dwa.VOCABULARY,
    ),
    "keithley-2450": Quarry(
        address="TCPIP0::smu.bench::inst0::INSTR", limits=SourceLimits(), words=source_meters.KEITHLEY_2450
    ),
    "keithley-2400": Quarry(address="GPIB0::24::INSTR", limits=SourceLimits(), words=source_meters.KEITHLEY_2400),
    "keysight-b2902a": Quarry(
        address="TCPIP0::b2902.bench::inst0::INSTR", limits=SourceLimits(), words=source_meters.KEYSIGHT_B2902A
    ),
    "keithley-2602b": Quarry(
        address="GPIB0::26::INSTR", limits=SourceLimits(compliance_a=(1e-8, 1e-3)), words=tsp.VOCABULARY
    ),
}
"""Every kind of instrument that limits apply to. Switches have none."""
