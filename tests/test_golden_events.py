"""
Events are for ever: bytes written by an older program are read, and written, as they were.

Each file of tests/vectors/golden holds one event as the log keeps it. A file is never changed: a
new field has a default (the bytes stay as they are), a new meaning has a new tag and a new file.
"""

from pathlib import Path

import msgspec
import pytest

from switch.eventlog.inbound import Reply, RequestReceived
from switch.eventlog.journal import JournalEvent, UnknownEvent, decode_record, encode_record
from switch.eventlog.registry_record import (
    RegistryLogEvent,
    decode_registry_record,
    encode_registry_record,
)

VECTORS = Path(__file__).parent / "vectors"
GOLDEN = sorted((VECTORS / "golden").glob("*.json"))
DURABLE = msgspec.json.Decoder(JournalEvent | RegistryLogEvent)
PASSING = msgspec.json.Decoder(RequestReceived | Reply)
PASSING_TAGS = {"request-received.v1", "reply.v1"}  # gone within hours: no default is left out


def read_golden(path: Path) -> bytes:
    return path.read_bytes().rstrip(b"\n")


@pytest.mark.parametrize(
    "path", [path for path in GOLDEN if path.stem not in PASSING_TAGS], ids=lambda path: path.stem
)
def test_an_event_of_the_log_is_written_as_it_was_read(path):
    golden = read_golden(path)
    event = DURABLE.decode(golden)
    assert event.__struct_config__.tag == path.stem
    assert msgspec.json.encode(event) == golden


@pytest.mark.parametrize(
    "path", [path for path in GOLDEN if path.stem in PASSING_TAGS], ids=lambda path: path.stem
)
def test_a_message_between_roles_keeps_every_field_it_had(path):
    golden = read_golden(path)
    event = PASSING.decode(golden)
    assert event.__struct_config__.tag == path.stem
    was, written = msgspec.json.decode(golden), msgspec.json.decode(msgspec.json.encode(event))
    assert was == {name: written[name] for name in was}


def test_the_envelope_of_the_journal_is_written_as_it_was_read():
    golden = read_golden(VECTORS / "envelopes/journal-record.json")
    assert encode_record(decode_record(golden)) == golden


def test_the_envelope_of_the_registry_is_written_as_it_was_read():
    golden = read_golden(VECTORS / "envelopes/registry-record.json")
    assert encode_registry_record(decode_registry_record(golden)) == golden


def test_a_tag_from_the_future_stops_the_reader():
    golden = read_golden(VECTORS / "envelopes/journal-record.json")
    newer = golden.replace(b"partition-claimed.v1", b"partition-claimed.v9")
    with pytest.raises(UnknownEvent, match="cannot read a journal record"):
        decode_record(newer)
