"""Twins of the Keysight 33522B and 33622A waveform generators."""

from sim_instruments.instruments.keysight_33500b.settings import MODEL_33500B, MODEL_33600A
from sim_instruments.instruments.keysight_33500b.twin import keysight_33500b, keysight_33600a

__all__ = ["MODEL_33500B", "MODEL_33600A", "keysight_33500b", "keysight_33600a"]
