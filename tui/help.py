"""The help screen: what the keys do and what the signs mean."""

from typing import ClassVar, final

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.screen import ModalScreen
from textual.widgets import Static

HELP = """\
The monitor reads the run directory and nothing else.
Leaving it does not touch the run.

Keys
  q        leave; the run goes on
  space    freeze the panels, or let them go on; the head stays live
  [  ]     previous, next layer; after the last come all layers
  v        next page, in a terminal narrower than 110 columns
  s        save the screen as SVG in the run's folder screenshots
  ctrl+p   command palette: themes and all commands
  tab ↑ ↓  move to a list, and scroll it

Head of the screen
  ● LIVE   reports         ◐ STALE  no heartbeat for more than 3 s
  ✖ DEAD   process gone    ■ OVER   the run has ended
  ▲ ON     outputs on, as the run reported last     ▽ off

Layers
  dev      devices, one per weight
  bars     pulses per device in the last step: pull left, push right
  Σ        pulses since the run started
  inf%     devices whose noise target lies below what their drift allows
  clip%    devices whose drift exceeds the full scale of the update
  sat%     devices whose noise pulses ran into the largest count
  Teff/T   compiled over target variance: effective over set temperature
  LSB      weight change of one pulse

Updates
  A sample of weights: the change requested and the change read back.
  A perfect array puts every dot on the dotted diagonal; the spread
  about it is the noise.

Esc or ? closes this page."""
"""The whole text, at most 75 columns wide."""


@final
class HelpScreen(ModalScreen[None]):
    """A page of help over the monitor."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,question_mark,f1,q", "dismiss", "Close", id="help.close"),
    ]

    def compose(self) -> ComposeResult:
        """Lay out the page."""
        with VerticalScroll(id="help") as page:
            page.border_title = Text("Help")
            yield Static(Text(HELP))
