"""Twins: one file for each model of instrument."""
