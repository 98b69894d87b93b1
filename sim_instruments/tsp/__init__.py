"""Instruments whose messages are Lua: Keithley's Test Script Processor (TSP), in a sandbox of its own."""
