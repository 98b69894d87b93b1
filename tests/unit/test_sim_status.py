"""The status model follows IEEE 488.2."""

from sim_instruments.scpi_error import ScpiError
from sim_instruments.status import Status


def test_power_on_is_reported_once():
    status = Status(queue_depth=5)
    assert status.take_events() == 128
    assert status.take_events() == 0


def test_each_class_of_error_sets_its_event():
    for code, event in ((-113, 32), (-222, 16), (-350, 8), (-410, 4)):
        status = Status(queue_depth=5)
        status.clear()
        status.report(ScpiError(code))
        assert status.take_events() == event


def test_one_error_too_many_becomes_an_overflow_and_the_oldest_stay():
    status = Status(queue_depth=3)
    for code in (-100, -101, -102, -103, -104):
        status.report(ScpiError(code))
    assert [status.next_error().code for _ in range(4)] == [-100, -101, -350, 0]


def test_the_status_byte_sums_what_is_enabled():
    status = Status(queue_depth=3)
    assert status.byte() == 0
    status.enable_events(32)
    status.report(ScpiError(-113))
    assert status.byte() == 4 + 32
    status.has_reply = True
    status.enable_service(255)
    assert status.byte() == 4 + 16 + 32 + 64
    status.clear()
    assert status.byte() == 16 + 64


def test_bit_six_cannot_enable_itself():
    status = Status(queue_depth=3)
    status.enable_service(255)
    assert status.service_enable == 191


def test_a_serial_poll_asks_for_service_once_for_each_new_reason():
    status = Status(queue_depth=3)
    status.enable_service(16 | 4)
    status.has_reply = True
    assert status.poll() == 16 + 64
    assert status.poll() == 16
    status.report(ScpiError(-113))
    assert status.poll() == 16 + 4 + 64
    status.has_reply = False
    status.clear_errors()
    assert status.poll() == 0
    status.has_reply = True
    assert status.poll() == 16 + 64


def test_operation_complete_is_an_event():
    status = Status(queue_depth=3)
    status.take_events()
    status.complete_operation()
    assert status.take_events() == 1
