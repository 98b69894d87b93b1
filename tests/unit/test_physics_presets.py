"""Every number of a preset has a source or says that it is a placeholder, and bench files may name presets."""

import dataclasses
import json
import re

import pytest
from click.testing import CliRunner
from pydantic import BaseModel, ConfigDict, ValidationError

from sim_instruments.materials import materials, unit
from sim_instruments.physics.creep.parameters import CreepParameters
from sim_instruments.physics.creep.pinning import Pinning
from sim_instruments.physics.material import Material
from sim_instruments.physics.presets import NamedMaterial, material, pinning, preset, preset_names
from sim_instruments.physics.write_line import WriteLine

CREEP = {
    "model": "creep",
    "material": "w-cofeb-mgo",
    "pinning": "w-cofeb-mgo",
    "write_line": {
        "length_m": 40e-6,
        "width_m": 5e-6,
        "heavy_metal_thickness_m": 3e-9,
        "heavy_metal_resistivity_ohm_m": 120e-8,
        "magnet_thickness_m": 1e-9,
        "magnet_resistivity_ohm_m": 160e-8,
    },
    "track_length_m": 20e-6,
    "avalanche_length_m": 20e-9,
}


class Bench(BaseModel):
    """As the sample's table holds its walls."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    wall: CreepParameters


class Film(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    material: NamedMaterial


def test_the_three_materials_are_there():
    assert preset_names() == ["pt-co", "ta-cofeb-mgo", "w-cofeb-mgo"]


@pytest.mark.parametrize("name", ["pt-co", "ta-cofeb-mgo", "w-cofeb-mgo"])
def test_every_number_has_a_source_or_is_labelled_a_placeholder(name: str):
    found = preset(name)
    for table in (found.material, found.pinning, found.line):
        for key, number in table.items():
            assert len(number.source) > 10, key
            if number.status == "reported":
                assert re.search(r"arXiv:|github\.com/|doi|\(\d{4}\)", number.source), key
            if number.status == "placeholder":
                assert re.search(r"usual size|no measurement|left out|value reported for", number.source), key
            assert "2312.02771" not in number.source


@pytest.mark.parametrize("name", ["pt-co", "ta-cofeb-mgo", "w-cofeb-mgo"])
def test_presets_cover_what_their_tables_need(name: str):
    found = preset(name)
    assert set(found.material) == {field.name for field in dataclasses.fields(Material)}
    required = {field.name for field in dataclasses.fields(Pinning) if field.default is dataclasses.MISSING}
    assert set(found.pinning) == required
    geometry = {"length_m", "width_m"}
    assert set(found.line) == {field.name for field in dataclasses.fields(WriteLine)} - geometry
    # As numbers they pass the bounds that a bench file's tables pass.
    Film.model_validate({"material": dataclasses.asdict(material(name))})
    assert material(name).thickness_m == found.line["magnet_thickness_m"].value


def test_derived_lengths_and_fields_of_the_tungsten_film():
    film = material("w-cofeb-mgo")
    assert film.wall_width_m == pytest.approx(6.12e-9, rel=1e-3)
    mu0 = 4e-7 * 3.141592653589793
    assert mu0 * film.shape_field_a_m == pytest.approx(42.1e-3, rel=2e-3)
    assert mu0 * film.dmi_field_a_m == pytest.approx(24.6e-3, rel=2e-3)
    assert mu0 * film.spin_hall_field_a_m(1e12) == pytest.approx(-70.8e-3, rel=2e-3)
    assert film.spin_drift_velocity_m_s(1e12) == pytest.approx(44.8, rel=2e-3)


def test_a_bench_file_may_name_a_material_write_a_table_or_change_a_number():
    named = Bench.model_validate({"wall": CREEP}).wall
    assert named.material == material("w-cofeb-mgo")
    assert named.pinning == pinning("w-cofeb-mgo")
    table = Bench.model_validate({"wall": CREEP | {"material": dataclasses.asdict(material("w-cofeb-mgo"))}}).wall
    assert table == named
    changed = Bench.model_validate({"wall": CREEP | {"material": {"preset": "w-cofeb-mgo", "damping": 0.05}}}).wall
    assert changed.material == dataclasses.replace(material("w-cofeb-mgo"), damping=0.05)
    # What a sample's description holds, to know its kept state again, is the numbers and not the name.
    assert Bench(wall=named).model_dump(mode="json")["wall"]["material"]["damping"] == 0.09


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"material": "unobtainium"}, "no material is called 'unobtainium': choose one of pt-co"),
        ({"material": {"preset": "w-cofeb-mgo", "dampnig": 0.05}}, "dampnig"),
        ({"material": {"preset": "w-cofeb-mgo", "damping": 2.0}}, "less than or equal to 1"),
        ({"material": {"preset": "w-cofeb-mgo", "damping": 0.0}}, "damping must be above 0"),
        ({"material": "pt-co"}, "magnet_thickness_m must equal"),
        ({"write_line": CREEP["write_line"] | {"width_m": 1e-7}}, 'model = "hopping"'),
        ({"avalanche_length": 1e-9}, "avalanche_length"),
        ({"increments": "poisson"}, "compound-poisson"),
        ({"stray_field_dtod_a_m": -1.0}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_is_refused_in_words(changes: dict, message: str):
    with pytest.raises(ValidationError, match=re.escape(message)):
        Bench.model_validate({"wall": CREEP | changes})


def test_the_command_prints_every_number_with_its_source():
    run = CliRunner().invoke(materials, ["ta-cofeb-mgo"], env={"COLUMNS": "160"})
    assert run.exit_code == 0
    for text in ("spin_hall_angle", "-0.11", "arXiv:1409.3753", "placeholder", "J/m^2"):
        assert text in run.output
    everything = json.loads(CliRunner().invoke(materials, ["--json"]).output)
    assert set(everything) == set(preset_names())
    assert everything["pt-co"]["material"]["dmi_j_m2"]["status"] == "placeholder"
    unknown = CliRunner().invoke(materials, ["mu-metal"])
    assert unknown.exit_code == 2
    assert "choose one of" in unknown.output


def test_units_are_read_from_the_keys():
    keys = ("saturation_magnetisation_a_m", "dmi_j_m2", "depinning_velocity_m_s", "damping", "thickness_m")
    assert [unit(key) for key in keys] == ["A/m", "J/m^2", "m/s", "", "m"]
    assert unit("heavy_metal_resistivity_ohm_m") == "Ohm m"
