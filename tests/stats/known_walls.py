"""Experiments of walls that are known by heart: numpy only, nothing of the simulator."""

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import numpy as np

from calibration.experiment import SHOT, Experiment, ExperimentOrigin
from calibration.protocols import Route

LOW_S, HIGH_S = 1e-4, 3e-4


@dataclass
class Walls:
    """Devices on a track of length 1, and the shots that they leave."""

    generator: np.random.Generator
    mean: np.ndarray
    """Mean step of one push of each device."""
    variance: float
    """Variance of it."""
    noise: float = 0.003
    """Standard deviation of a reading, fraction of the track."""
    pull: float = 1.0
    """Mean step of a pull over that of a push."""
    ends: bool = True
    position: np.ndarray = field(init=False)
    shots: list = field(default_factory=list)
    step: int = 0
    time_s: float = 0.0

    def __post_init__(self) -> None:
        self.position = np.full(len(self.mean), 0.5)
        self.last = np.full(len(self.mean), np.nan)
        if self.ends:
            self.read(16, phase=2)
            for place in (1.0, 0.0):
                self.position[:] = place
                before, self.last = self.last, self.reading()
                self.keep(polarity=1 if place else -1, phase=0, amplitude=1.5, width=1e-6, pulses=255, before=before)
                for _ in range(16):
                    before, self.last = self.last, self.reading()
                    self.keep(polarity=0, phase=0, before=before)
                self.step += 1

    def reading(self) -> np.ndarray:
        noisy = self.position + self.generator.normal(0, self.noise, len(self.mean))
        return LOW_S + (HIGH_S - LOW_S) * noisy

    def keep(
        self, *, polarity, phase=1, amplitude=0.0, width=0.0, pulses=0, cycle=0, before=None, voltage=0.1, who=None
    ):
        who = np.arange(len(self.mean)) if who is None else who
        rows = np.zeros(len(who), SHOT)
        rows["step"], rows["cycle"], rows["phase"], rows["device"] = self.step, cycle, phase, who * 3 + 7
        rows["polarity"], rows["amplitude_v"], rows["width_s"], rows["pulses"] = polarity, amplitude, width, pulses
        rows["before_s"] = (self.last if before is None else before)[who]
        rows["after_s"] = self.last[who]
        rows["read_voltage_v"], rows["time_s"], rows["temperature_k"] = voltage, self.time_s, np.nan
        self.shots.append(rows)

    def bring(self, place: float) -> None:
        before, self.position[:] = self.last, place
        self.last = self.reading()
        self.keep(polarity=1, phase=0, amplitude=1.5, width=1e-6, pulses=3, before=before)
        self.step += 1

    def fire(self, polarity, *, pulses=1, cycle=0, amplitude=1.5, width=1e-6, step=None, phase=1) -> None:
        """Gamma steps unless the steps are given."""
        if step is None:
            scale = self.pull if polarity < 0 else 1.0
            fano = self.variance / self.mean.mean()
            step = self.generator.gamma(pulses * self.mean * scale / fano, fano)
        before = self.last
        self.position = np.clip(self.position + polarity * step, 0.0, 1.0)
        self.time_s += 0.01
        self.last = self.reading()
        self.keep(
            polarity=polarity, phase=phase, amplitude=amplitude, width=width, pulses=pulses, cycle=cycle, before=before
        )
        self.step += 1

    def read(self, times, *, phase=2, cycle=0, voltage=0.1) -> None:
        for _ in range(times):
            before, self.last = self.last, self.reading()
            self.time_s += 0.001
            self.keep(polarity=0, phase=phase, cycle=cycle, before=before, voltage=voltage)
        self.step += 1

    def experiment(self, kind: str, settings: dict[str, Any] | None = None, seed: int = 0) -> Experiment:
        return Experiment(origin=origin(kind, settings, seed), shots=np.concatenate(self.shots))


def origin(kind: str, settings: dict[str, Any] | None = None, seed: int = 0) -> ExperimentOrigin:
    return ExperimentOrigin(
        kind=kind,
        settings=settings or {},
        bench="bench",
        library="",
        route=Route.ARRAY,
        started=datetime(2026, 1, 1, tzinfo=UTC),
        seed=seed,
        resolution_s=0.0,
        instruments=(),
    )


def walls(generator, devices=40, mean=0.004, spread=0.05, variance=8e-6, **more) -> Walls:
    return Walls(generator=generator, mean=mean * generator.lognormal(0, spread, devices), variance=variance, **more)


def staircase(generator, *, steps=30, cycles=3, pulses=4, **more) -> Experiment:
    bench = walls(generator, **more)
    for cycle in range(cycles):
        bench.bring(0.25)
        for polarity in (1, -1):
            for _ in range(steps):
                bench.fire(polarity, pulses=pulses, cycle=cycle)
    return bench.experiment("staircase")


def doublets(generator, *, rho=0.5, pairs=30, devices=40, variance=8e-6, **more) -> Experiment:
    """The pull undoes a share 1 - rho of the variance of both: steps are correlated by that."""
    bench = walls(generator, devices=devices, variance=variance, **more)
    for cycle, place in enumerate((0.3, 0.5, 0.7)):
        bench.bring(place)
        for _ in range(pairs):
            # up and down correlated by 1 - rho, so that var(up - down) = 2 v (1 - (1 - rho)) = 2 rho v
            shared = generator.normal(0, np.sqrt(variance * (1 - rho)), devices)
            for polarity, scale in ((1, 1.0), (-1, bench.pull)):
                own = generator.normal(0, np.sqrt(variance * rho), devices)
                bench.fire(polarity, pulses=1, cycle=cycle, step=bench.mean * scale + shared + own)
    return bench.experiment("doublets")


def width_sweep(generator, *, velocity=4000.0, offset=2e-4, devices=40, **more) -> Experiment:
    bench = walls(generator, devices=devices, **more)
    factor = bench.mean / 0.004
    for cycle in range(3):
        for width in (1e-7, 2e-7, 5e-7, 1e-6, 2e-6):
            bench.bring(0.35)
            pulses = max(1, round(4e-6 / width))
            for polarity in (1, -1):
                for _ in range(10):
                    mean = pulses * (offset + velocity * width) * factor
                    step = generator.gamma(mean / 1e-3, 1e-3)
                    bench.fire(polarity, pulses=pulses, cycle=cycle, width=width, step=step)
    return bench.experiment("width-sweep")


def law_velocity(amplitude, critical=1.2, heat=10.0, velocity=2000.0):
    ratio = amplitude / critical
    creep = -heat * (np.minimum(ratio, 1.0) ** -0.25 - 1)
    above = heat**0.15 / 0.65 * np.maximum(ratio - 1, 0.0) ** 0.25
    return velocity * np.exp(creep) * (1 + above**4) ** 0.25


def amplitude_sweep(generator, *, devices=40, **more) -> Experiment:
    bench = walls(generator, devices=devices, **more)
    factor = bench.mean / 0.004
    for cycle in range(3):
        for amplitude in (0.6, 0.75, 0.9, 1.05, 1.2, 1.35, 1.5, 1.8):
            bench.bring(0.35)
            for polarity in (1, -1):
                for _ in range(10):
                    mean = 4e-6 * law_velocity(amplitude) * factor
                    bench.fire(
                        polarity, pulses=4, cycle=cycle, amplitude=amplitude, step=generator.gamma(mean / 5e-4, 5e-4)
                    )
    return bench.experiment("amplitude-sweep")


def s_curve(
    generator, *, delta=30.0, critical=1.5, spread=0.0, devices=40, shots=10, longer_is_likelier=True, **more
) -> Experiment:
    bench = walls(generator, devices=devices, **more)
    own = critical * generator.lognormal(0, spread, devices)
    pairs = [(v, w) for v in (1.05, 1.1, 1.15, 1.2, 1.25) for w in (1e-7, 1e-6)]
    for cycle in range(shots):
        for chosen in generator.permutation(len(pairs)):
            amplitude, width = pairs[chosen]
            bench.bring(0.5)
            attempts = (width if longer_is_likelier else 1e-7) / 1e-9
            probability = -np.expm1(-attempts * np.exp(-delta * (1 - amplitude / own)))
            step = np.where(generator.random(devices) < probability, 0.1, 0.0)
            bench.fire(1, cycle=cycle, amplitude=amplitude, width=width, step=step)
    return bench.experiment("s-curve", {"moved": 0.03})


def dwell(generator, *, mean_s=2e-6, shape=1.0, devices=40, shots=10, most=60, width=1e-7, **more) -> Experiment:
    bench = walls(generator, devices=devices, **more)
    for cycle in range(shots):
        bench.bring(0.5)
        until = mean_s * generator.weibull(shape, devices)
        left = np.zeros(devices, bool)
        for round_ in range(1, most + 1):
            who = np.flatnonzero(~left)
            if not len(who):
                break
            left = left | (until <= round_ * width)
            bench.position = np.where(left, 0.6, 0.5)
            before, now = bench.last.copy(), bench.reading()
            bench.last = bench.last.copy()
            bench.last[who] = now[who]
            bench.keep(polarity=1, amplitude=0.7, width=width, pulses=1, cycle=cycle, before=before, who=who)
        bench.step += 1
    return bench.experiment("dwell", {"moved": 0.03})


def loop(generator, *, threshold=1.0, devices=20, **more) -> Experiment:
    bench = walls(generator, devices=devices, **more)
    own = threshold * generator.lognormal(0, 0.05, devices)
    rising = np.linspace(0.1, 2.0, 20)
    for cycle in range(3):
        bench.bring(0.2)
        for polarity in (1, -1):
            for amplitude in (*rising, *rising[-2::-1]):
                step = np.where(amplitude > own, 0.0 + 0.04 * (amplitude - own + 0.5), 0.0)
                bench.fire(polarity, pulses=2, cycle=cycle, amplitude=amplitude, step=step)
    return bench.experiment("r-j-loop")


def current_voltage(generator, *, tmr=1.2, half=0.5, highest=0.8, devices=10, noise=1e-3) -> Experiment:
    bench = walls(generator, devices=devices, ends=False)
    positive = np.linspace(0, highest, 11)[1:]
    levels = np.concatenate([-positive[::-1], positive])
    for cycle in range(4):
        for voltage in levels if cycle % 2 == 0 else levels[::-1]:
            conductance = 2.2e-4 / (1 + tmr / (1 + (voltage / half) ** 2))
            bench.last = conductance * (1 + generator.normal(0, noise, devices))
            bench.keep(polarity=0, cycle=cycle, voltage=voltage)
        bench.step += 1
    return bench.experiment("i-v")


def noise(generator, *, devices=6, readings=2048, flicker=0.3, mains_s=0.0) -> Experiment:
    bench = walls(generator, devices=devices, ends=False)
    frequency = np.fft.rfftfreq(readings, 0.01)
    shape = np.sqrt(1.0 + np.append(0, flicker * 50 / frequency[1:]))
    white = generator.normal(0, 1e-7, (devices, readings))
    series = 2e-4 + np.fft.irfft(np.fft.rfft(white) * shape, readings)
    series[0] += mains_s * np.sin(2 * np.pi * 17.0 * 0.01 * np.arange(readings))  # one device only
    for one in range(readings):
        bench.last = series[:, one]
        bench.time_s = 0.01 * one
        bench.keep(polarity=0)
    return bench.experiment("noise")


def retention(generator, *, rate=2e-4, devices=40, **more) -> Experiment:
    bench = walls(generator, devices=devices, **more)
    bench.bring(0.5)
    gone = generator.exponential(1 / rate, devices)
    start = bench.time_s
    for time in (0, *np.geomspace(1, 1000, 7)):
        bench.time_s = start + time
        bench.position = np.where(gone < time, 0.6, 0.5)
        bench.read(8, phase=1)
    return bench.experiment("retention")


def read_disturb(generator, *, rates=(1e-6, 4e-4), devices=40, readings=200, **more) -> Experiment:
    bench = walls(generator, devices=devices, **more)
    for cycle in range(4):
        rate, voltage = rates[cycle % 2], (0.1, 0.3)[cycle % 2]
        bench.bring(0.5)
        bench.read(8, cycle=cycle)
        bench.read(readings, phase=1, cycle=cycle, voltage=voltage)
        bench.position = bench.position + 0.05 * (generator.random(devices) < -np.expm1(-rate * readings))
        bench.read(8, cycle=cycle)
    return bench.experiment("read-disturb")


def endurance(generator, *, wear=-0.05, devices=40, **more) -> Experiment:
    bench = walls(generator, devices=devices, **more)
    fresh = bench.mean.copy()
    done = 0
    for cycle, stress in enumerate((0, 100, 1000, 10000)):
        while done < stress:
            for polarity in (1, -1):
                bench.fire(polarity, pulses=50, cycle=cycle, step=np.zeros(devices), phase=0)
            done += 50
        bench.mean = fresh * (1 + wear * np.log10(max(1, 2 * stress) / 200 * 10 if stress else 1))
        bench.bring(0.4)
        for polarity in (1, -1):
            for _ in range(12):
                bench.fire(polarity, pulses=4, cycle=cycle)
    return bench.experiment("endurance")


ALL = {
    "staircase": staircase,
    "doublets": doublets,
    "width-sweep": width_sweep,
    "amplitude-sweep": amplitude_sweep,
    "s-curve": s_curve,
    "dwell": dwell,
    "r-j-loop": loop,
    "i-v": current_voltage,
    "noise": noise,
    "retention": retention,
    "read-disturb": read_disturb,
    "endurance": endurance,
}
