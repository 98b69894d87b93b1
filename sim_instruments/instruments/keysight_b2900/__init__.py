"""Twins of the Keysight B2901A and B2902A source-measure units."""

from sim_instruments.instruments.keysight_b2900.twin import CHANNELS, KeysightB2900

__all__ = ["CHANNELS", "KeysightB2900"]
