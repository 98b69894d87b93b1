"""The live monitor: reads a run directory and shows it in a terminal."""

from tui.app import MonitorApp, monitor
from tui.screenshot import save_screenshot

__all__ = ["MonitorApp", "monitor", "save_screenshot"]
