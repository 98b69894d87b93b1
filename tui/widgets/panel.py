"""The one widget: shows what a drawing function makes of a view, and scrolls it when it is taller than its place."""

from typing import ClassVar, final

from rich.segment import Segment
from rich.text import Text
from textual.events import Resize
from textual.geometry import Size
from textual.scroll_view import ScrollView
from textual.strip import Strip

from tui.cells import printable
from tui.picture import Draw, Ink, Picture, Role
from tui.view import View

_CLASS_OF = {role: f"ink--{role}" for role in Role}


@final
class Panel(ScrollView):
    """A drawing in a frame.

    Args:
        draw: makes the picture for a view and a size.
        id: the widget's name in the theme.
        can_focus: whether keys may scroll it.
    """

    COMPONENT_CLASSES: ClassVar[set[str]] = set(_CLASS_OF.values())

    def __init__(self, draw: Draw, *, id: str, can_focus: bool = False) -> None:
        super().__init__(id=id)
        self.can_focus = can_focus
        self._draw = draw
        self._view: View | None = None
        self._picture = Picture(rows=[])

    def show(self, view: View) -> None:
        """Draw a view."""
        self._view = view
        self._redraw()

    def on_resize(self, _event: Resize) -> None:
        """Draw again in the new size."""
        self._redraw()

    def _redraw(self) -> None:
        size = self.scrollable_content_region.size
        if self._view is None or size.width <= 0 or size.height <= 0:
            return
        self._picture = self._draw(self._view, size.width, size.height)
        # As rich text, not as strings: those would be read as markup.
        self.border_title = Text(printable(self._picture.title))
        self.border_subtitle = Text(printable(self._picture.note))
        self.virtual_size = Size(size.width, len(self._picture.rows))
        self._keep_in_sight(size.height)
        self.refresh()

    def _keep_in_sight(self, height: int) -> None:
        chosen, fixed = self._picture.chosen, self._picture.fixed
        if chosen is None:
            return
        top = round(self.scroll_y)
        if chosen - fixed < top:
            self.scroll_to(y=chosen - fixed, animate=False)
        elif chosen >= top + height:
            self.scroll_to(y=chosen - height + 1, animate=False)

    def render_line(self, y: int) -> Strip:
        """Return one line of the terminal."""
        width = self.scrollable_content_region.width
        index = y if y < self._picture.fixed else y + round(self.scroll_y)
        if index >= len(self._picture.rows):
            return Strip.blank(width, self.rich_style)
        strip = Strip([self._segment(ink) for ink in self._picture.rows[index]])
        return strip.adjust_cell_length(width, self.rich_style)

    def _segment(self, ink: Ink) -> Segment:
        # The last gate: whatever a drawing let through, no control character reaches the terminal.
        return Segment(printable(ink.text), self.get_component_rich_style(_CLASS_OF[ink.role]))
