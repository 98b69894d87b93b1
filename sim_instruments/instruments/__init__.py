"""Twins: one module for each model of instrument, a package where one file would be too much to read."""
