"""A pulse with edges and heating, and the pieces in which a wall feels it."""

import matplotlib.pyplot as plt
import numpy as np
from drawing import COLOURS, FAINT, panel_name, save

from sim_instruments.physics.pulse_shape import PulseLine, Segments, segments

LINE = PulseLine(rise_time_s=2e-9, thermal_resistance_k_w=2e4, thermal_time_s=5e-9, temperature_k=300.0)
OHM = 2000.0
AMPLITUDE_V = 2.0
WIDTH_S = 10e-9
PERIOD_S = 20e-9


def draw():
    """Draw voltage and temperature in 4 pieces an edge, as models take them, over the fine solution."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 2.6))
    fine = segments(AMPLITUDE_V, WIDTH_S, LINE, OHM, parts=400)
    coarse = segments(AMPLITUDE_V, WIDTH_S, LINE, OHM, parts=4)
    train = segments(AMPLITUDE_V, WIDTH_S, LINE, OHM, parts=400, period_s=PERIOD_S)
    left.plot(_middles(fine), fine.voltage_v, color=FAINT, lw=1)
    left.stairs(coarse.voltage_v, _edges(coarse), color=COLOURS[0], lw=1.4)
    right.plot(_middles(fine), fine.temperature_k, color=FAINT, lw=1)
    right.stairs(coarse.temperature_k, _edges(coarse), color=COLOURS[0], lw=1.4, baseline=None, label="single pulse")
    right.plot(_middles(train), train.temperature_k, color=COLOURS[1], label="in a train, period 20 ns")
    left.set(ylabel="voltage  (V)", ylim=(0, 2.3))
    right.set(ylabel="temperature  (K)")
    right.legend(loc="upper right")
    for axes, letter in ((left, "a"), (right, "b")):
        axes.set(xlabel="time  (ns)", xlim=(0, 36))
        panel_name(axes, letter)
    return save(figure, "heating")


def _edges(pulse: Segments) -> np.ndarray:
    return np.concatenate(([0.0], np.cumsum(pulse.duration_s))) * 1e9


def _middles(pulse: Segments) -> np.ndarray:
    edges = _edges(pulse)
    return (edges[1:] + edges[:-1]) / 2
