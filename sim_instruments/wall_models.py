"""Which models of domain walls a bench file may choose, and how each is built."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

from numpy.typing import NDArray
from pydantic import Discriminator, Tag

from sim_instruments.physics.collective.parameters import CollectiveParameters
from sim_instruments.physics.compact.parameters import CompactParameters
from sim_instruments.physics.creep.parameters import CreepParameters
from sim_instruments.physics.hopping.parameters import HoppingParameters
from sim_instruments.physics.walls import Kept, Walls

_DEFAULT = "compact"


def _chosen(table: Any) -> str:
    return str(table.get("model", _DEFAULT)) if isinstance(table, dict) else table.model


WallParameters = Annotated[
    Annotated[CompactParameters, Tag("compact")]
    | Annotated[HoppingParameters, Tag("hopping")]
    | Annotated[CreepParameters, Tag("creep")]
    | Annotated[CollectiveParameters, Tag("collective")],
    Discriminator(_chosen),
]
"""`[sample.wall]`: the parameters of one of the models. `model` says which; without it, it is the compact one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WallModel:
    """One model with its parameters, before there are devices."""

    kept: tuple[Kept, ...]
    """What it keeps of each device when the power is off."""
    build: Callable[[int, int, dict[str, NDArray[Any]]], Walls]
    """Make the walls: number of devices, seed, and the arrays of `kept` by name."""


def wall_model(parameters: WallParameters) -> WallModel:
    """Return the model that parameters belong to. Only the one chosen is imported."""
    match parameters:
        case CompactParameters():
            from sim_instruments.physics.compact.walls import CompactWalls

            return WallModel(
                kept=CompactWalls.kept(parameters),
                build=lambda count, seed, state: CompactWalls(count, seed, parameters, state),
            )
        case HoppingParameters():
            from sim_instruments.physics.hopping.walls import HoppingWalls

            return WallModel(
                kept=HoppingWalls.kept(parameters),
                build=lambda count, seed, state: HoppingWalls(count, seed, parameters, state),
            )
        case CreepParameters():
            from sim_instruments.physics.creep.walls import CreepWalls

            return WallModel(
                kept=CreepWalls.kept(parameters),
                build=lambda count, seed, state: CreepWalls(count, seed, parameters, state),
            )
        case CollectiveParameters():
            from sim_instruments.physics.collective.walls import CollectiveWalls

            return WallModel(
                kept=CollectiveWalls.kept(parameters),
                build=lambda count, seed, state: CollectiveWalls(count, seed, parameters, state),
            )
