"""Compiled loops over millions of devices."""
