"""Twin of the Keysight 81160A pulse generator."""

from sim_instruments.instruments.keysight_81160a.twin import MODEL, Keysight81160A

__all__ = ["MODEL", "Keysight81160A"]
