"""The monitor's own colours; the command palette offers Textual's other themes beside them."""

from textual.theme import Theme

NIGHT = Theme(
    name="domain-wall",
    primary="#3fc8a4",
    secondary="#8fa3bf",
    accent="#f2cc60",
    foreground="#d5dbe5",
    background="#0e1319",
    surface="#161d27",
    panel="#1d2733",
    success="#6fcf72",
    warning="#f2cc60",
    error="#ff7b72",
    dark=True,
)
"""Dark, with a green that is neither the push's orange nor the pull's blue."""
