"""Pulse generators, one file per model."""
