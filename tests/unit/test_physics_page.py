"""docs/physics.md names every key of every wall model with its default, and its figures are there."""

import dataclasses
import re
from pathlib import Path

import pytest

from sim_instruments.physics.collective.parameters import CollectiveParameters
from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.creep.parameters import CreepParameters
from sim_instruments.physics.creep.pinning import Pinning
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.material import Material
from sim_instruments.physics.pulse_shape import PulseLine
from sim_instruments.physics.write_line import WriteLine

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "physics.md").read_text("utf-8")

TABLES = {
    "## `compact`": CompactParameters,
    "## `hopping`": HoppingParameters,
    "## `creep`": CreepParameters,
    "## `collective`": CollectiveParameters,
    "`[sample.wall.material]`": Material,
    "`[sample.wall.pinning]`": Pinning,
    "`[sample.wall.write_line]`": WriteLine,
    "`[sample.wall.pulse_line]`": PulseLine,
}


def _rows(beginning: str) -> dict[str, str]:
    """Return the first table of keys after some words: default by key."""
    after = PAGE.partition(f"\n{beginning}")[2].partition("| key | unit | default | meaning |\n")[2]
    table = after.partition("\n\n")[0]
    return {key: default.strip(" `") for key, default in re.findall(r"^\| `(\w+)` \|[^|]*\|([^|]*)\|", table, re.M)}


def _default(field: dataclasses.Field) -> str:
    """Return a default as a bench file would have it."""
    if field.default_factory is not dataclasses.MISSING:
        return "see above"
    if field.default is dataclasses.MISSING:
        return ""
    default = list(field.default) if isinstance(field.default, tuple) else field.default
    return str(default).lower()


@pytest.mark.parametrize("beginning", TABLES)
def test_every_key_is_there_with_its_default(beginning: str):
    fields = [field for field in dataclasses.fields(TABLES[beginning]) if field.name != "model"]
    assert _rows(beginning) == {field.name: _default(field) for field in fields}


def test_pictures_are_there_and_not_too_large():
    pictures = re.findall(r"!\[[^\]]+\]\(([^)]+)\)", PAGE)
    assert sorted(Path(picture).name for picture in pictures) == sorted(
        path.name for path in (DOCS / "images" / "physics").iterdir()
    )
    assert all((DOCS / picture).stat().st_size < 200_000 for picture in pictures)


def test_links_lead_somewhere():
    links = re.findall(r"\]\(([^)#]+)\)", PAGE)
    assert len(links) > 10
    assert all((DOCS / link).exists() for link in links)
