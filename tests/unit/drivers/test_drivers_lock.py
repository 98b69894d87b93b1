"""Lock files: one name per instrument, and a folder that can be trusted."""

import os

import pytest

from drivers.errors import ConfigError, InstrumentBusy
from drivers.lock import FOLDER_VARIABLE, InstrumentLock, identity_key, lock_folder, resource_key
from drivers.protocols import Identity
from drivers.visa_library import canonical

ALIASES = [
    (
        "TCPIP0::127.0.0.1::5025::SOCKET",
        "TCPIP::localhost::5025::SOCKET",
        "tcpip1::LocalHost::5025::socket",
        "TCPIP0::[::1]::5025::SOCKET",
        "TCPIP0::127.1.2.3::5025::SOCKET",
    ),
    ("TCPIP0::smu.lab::inst0::INSTR", "TCPIP::SMU.lab", "TCPIP0::smu.lab.::INSTR"),
    ("GPIB0::9::INSTR", "GPIB::9", "gpib0::09::INSTR"),
    ("USB0::0x05E6::0x2450::0412::INSTR", "USB::1510::9296::0412", "USB0::0x5e6::0x2450::0412::0::INSTR"),
    ("ASRL/dev/ttyX9::INSTR", "ASRL/dev/ttyX9", "asrl/dev/../dev/ttyX9::INSTR"),
]
DIFFERENT = [
    "TCPIP0::127.0.0.1::5026::SOCKET",
    "TCPIP0::127.0.0.1::hislip0::INSTR",
    "GPIB1::9::INSTR",
    "GPIB0::9::1::INSTR",
    "ASRL/dev/ttyx9::INSTR",
    "USB0::0x05E6::0x2450::0413::INSTR",
    "an alias",
]


def key(address: str) -> str:
    return resource_key(canonical(address))


@pytest.mark.parametrize("names", ALIASES, ids=lambda names: names[0])
def test_all_spellings_of_a_resource_are_one(names):
    assert len({key(name) for name in names}) == 1


def test_different_resources_are_different():
    names = [*(names[0] for names in ALIASES), *DIFFERENT]
    assert len({key(name) for name in names}) == len(names)


def test_a_link_to_a_serial_port_is_the_port(tmp_path):
    (tmp_path / "port").touch()
    (tmp_path / "by-id").symlink_to(tmp_path / "port")
    assert key(f"ASRL{tmp_path}/by-id::INSTR") == key(f"ASRL{tmp_path}/port::INSTR")


def test_an_instrument_is_known_by_its_serial_number_if_it_has_one():
    def identity(serial: str, firmware: str = "1") -> str | None:
        return identity_key(Identity(manufacturer="Acme", model="Box", serial=serial, firmware=firmware))

    assert identity("ab1") == identity(" AB1 ", "2") != identity("AB2")
    assert [identity(serial) for serial in ("", "0", "000", "N/A", "unknown", "-")] == [None] * 6


def test_a_lock_is_held_once(tmp_path):
    lock = InstrumentLock.take("box", "the box", folder=tmp_path / "locks")
    with pytest.raises(InstrumentBusy, match=rf"the box is in use by process {os.getpid()} \(.*\) as the box"):
        InstrumentLock.take("box", "the box", folder=tmp_path / "locks")
    InstrumentLock.take("crate", "the crate", folder=tmp_path / "locks").release()
    lock.release()
    lock.release()
    InstrumentLock.take("box", "the box", folder=tmp_path / "locks").release()


def test_what_a_holder_wrote_is_shown_without_control_characters(tmp_path):
    lock = InstrumentLock.take("box", "\x1b[2Jbox", folder=tmp_path / "locks")
    with pytest.raises(InstrumentBusy) as caught:
        InstrumentLock.take("box", "the box", folder=tmp_path / "locks")
    assert "\x1b" not in str(caught.value)
    lock.release()


def test_lock_files_are_for_their_owner_only(tmp_path):
    InstrumentLock.take("box", "the box", folder=tmp_path / "locks").release()
    assert (tmp_path / "locks").stat().st_mode & 0o777 == 0o700
    (file,) = (tmp_path / "locks").iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("trap", ["link to a folder", "open to others", "a file", "link to a file inside", "no parent"])
def test_a_folder_or_file_that_is_not_ours_is_not_used(tmp_path, trap):
    folder = tmp_path / "locks"
    (tmp_path / "elsewhere").mkdir()
    if trap == "link to a folder":
        folder.symlink_to(tmp_path / "elsewhere")
    elif trap == "open to others":
        folder.mkdir()
        folder.chmod(0o777)
    elif trap == "a file":
        folder.touch()
    elif trap == "no parent":
        folder = tmp_path / "no" / "locks"
    else:
        InstrumentLock.take("box", "the box", folder=folder).release()
        (file,) = folder.iterdir()
        file.unlink()
        file.symlink_to(tmp_path / "elsewhere" / "prey")
    with pytest.raises(ConfigError, match=FOLDER_VARIABLE):
        InstrumentLock.take("box", "the box", folder=folder)
    assert list((tmp_path / "elsewhere").iterdir()) == []


def test_the_folder_does_not_hang_on_what_two_programs_may_differ_in():
    assert lock_folder({}) == lock_folder({"TMPDIR": "/elsewhere", "XDG_RUNTIME_DIR": "/run/user/1"})
    assert str(lock_folder({FOLDER_VARIABLE: "/somewhere"})) == "/somewhere"
