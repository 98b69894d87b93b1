"""What the simulated bench leans on inside pyvisa-sim and PyVISA: an upgrade that breaks it fails here, by name."""

from importlib.metadata import version
from pathlib import Path

import pytest
from pyvisa import constants, highlevel, rname
from pyvisa.typing import VISARMSession
from pyvisa_sim import parser
from pyvisa_sim.devices import Devices
from pyvisa_sim.highlevel import SimVisaLibrary
from pyvisa_sim.sessions.session import Session

MANAGER = VISARMSession(1)
PLAIN = """
spec: "1.1"
devices:
  lamp:
    eom:
      TCPIP INSTR:
        q: "\\n"
        r: "\\n"
    dialogues:
      - q: "*IDN?"
        r: "LAMP"
resources:
  TCPIP::lamp::INSTR:
    device: lamp
"""


def test_the_pinned_versions_are_installed():
    assert version("pyvisa-sim").startswith("0.7.")
    assert version("pyvisa").startswith("1.16.")


def test_a_library_without_a_path_has_the_path_unset():
    assert [str(path) for path in SimVisaLibrary.get_library_paths()] == ["unset"]


def test_session_classes_are_found_by_interface_and_class():
    for address in ("TCPIP::a::INSTR", "GPIB::7::INSTR", "USB::1::2::3::INSTR", "ASRL1::INSTR", "TCPIP::a::5::SOCKET"):
        parsed = rname.parse_resource_name(address)
        found = Session.get_session_class(parsed.interface_type_const, parsed.resource_class)
        assert found.session_type == (parsed.interface_type_const, parsed.resource_class)
    with pytest.raises(ValueError, match="No class registered"):
        Session.get_session_class(constants.InterfaceType.vxi, "INSTR")


def test_a_session_keeps_attributes_with_their_defaults():
    address = "TCPIP::a::INSTR"
    parsed = rname.parse_resource_name(address)
    session = Session.get_session_class(parsed.interface_type_const, parsed.resource_class)(MANAGER, address, parsed)
    names = constants.ResourceAttribute
    assert session.attrs[names.resource_name] == "TCPIP0::a::inst0::INSTR"
    assert session.get_attribute(names.send_end_enabled) == (constants.VI_TRUE, constants.StatusCode.success)
    assert session.get_attribute(names.termchar_enabled)[0] == constants.VI_FALSE
    assert session.get_attribute(names.termchar)[0] == ord("\n")
    session.set_attribute(names.termchar_enabled, constants.VI_TRUE)
    assert session.get_attribute(names.termchar_enabled)[0] == constants.VI_TRUE


def test_registering_a_session_gives_a_number_of_its_own():
    library = SimVisaLibrary("")
    assert isinstance(library, SimVisaLibrary)
    one, two = library, library
    numbers = [library._register(session) for session in (one, two)]
    assert len(set(numbers)) == 2
    assert [library.sessions[number] for number in numbers] == [one, two]
    for number in numbers:
        assert library.close(number) == constants.StatusCode.success


def test_devices_are_loaded_from_a_file_by_canonical_name(tmp_path: Path):
    path = tmp_path / "plain.yaml"
    path.write_text(PLAIN)
    devices = parser.get_devices(str(path), False)
    assert devices.list_resources() == ("TCPIP0::lamp::inst0::INSTR",)
    assert devices["TCPIP0::lamp::inst0::INSTR"].name == "lamp"


def test_no_devices_is_a_set_of_devices_too():
    assert Devices().list_resources() == ()


def test_opening_what_is_not_there_returns_a_status_instead_of_raising():
    library = SimVisaLibrary("")
    manager, _ = library.open_default_resource_manager()
    assert library.open(manager, "TCPIP::nobody::INSTR") == (0, constants.StatusCode.error_resource_not_found)
    library.close(manager)


def test_pyvisa_finds_the_plug_in_and_caches_a_library_by_its_path():
    assert "domainwall" in highlevel.list_backends()
    wrapper = highlevel.get_wrapper_class("domainwall")
    assert wrapper.__name__ == "DomainWallVisaLibrary"
    assert "Simulated bench" in wrapper.get_debug_info()
