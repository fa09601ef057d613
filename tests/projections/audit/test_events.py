import json
from typing import get_args

from msgspec.structs import replace

from loadtest.generated_journal import SEALED_PAN
from projections.audit.events import TAGS, apply, encode_detail, find_references
from projections.audit.tables import AuditBatch
from projections.migrations import migrate, read_migrations
from projections.position import Place
from projections.runner import connect, disconnect
from switch.domain.cases.events import CaseAssigned
from switch.domain.payment.events import PaymentRequested, PaymentRouted
from switch.domain.payment.payment import Payment
from switch.domain.payment.requests import PaymentRequest
from switch.domain.terminal.events import TerminalAsked
from switch.eventlog.journal import JournalEvent, JournalRecord, decode_record


def records(log):
    return [decode_record(stored.value) for stored in log.partitions["journal", 0].records]


def test_every_event_of_the_journal_has_its_tag():
    assert set(TAGS) == set(get_args(JournalEvent))
    assert TAGS[PaymentRouted] == "payment-routed.v1"


def test_one_row_for_each_event_with_its_address_and_cause(make_log):
    for offset, record in enumerate(records(make_log(200, partition_count=1))):
        rows = apply(record, Place(0, offset, epoch=4))
        assert [row.event_index for row in rows] == list(range(len(record.events)))
        for row, event in zip(rows, record.events, strict=True):
            assert (row.partition, row.journal_offset, row.epoch) == (0, offset, 4)
            assert row.claim_id == record.claim_id
            assert row.registry_position == record.registry_position
            assert row.watermark == record.watermark
            assert row.rrn == getattr(event, "rrn", "")
            assert json.loads(row.detail)["type"] == row.tag
            assert encode_detail(event) == row.detail
            assert find_references(event) == (row.idempotency_key, row.terminal_id, row.stan)


def test_a_nul_in_what_a_person_wrote_is_shown_as_something_that_postgresql_can_keep():
    for text in ("a\x00b", "\x00\x00", "\\\x00", "\\\\\x00", "\\u0000", "\\\\u0000", "plain"):
        assigned = CaseAssigned(
            case_id="c", by="a", at=1, owner="anna", command_id="1", text=text, rrn="r"
        )
        shown = json.loads(encode_detail(assigned))
        assert shown["text"] == text.replace("\x00", "\ufffd")
        assert shown["owner"] == "anna"


async def test_a_case_event_with_a_nul_is_written_like_every_other(dsn):
    assigned = CaseAssigned(case_id="c", by="a", at=1, owner="a", command_id="1", text="a\x00b")
    record = JournalRecord(claim_id="w", at=1, watermark=0, registry_position=0, events=(assigned,))
    connection = await connect(dsn, "audit")
    await migrate(connection, "audit", read_migrations("audit"))
    batch = AuditBatch()
    batch.add(record, Place(0, 1))
    await batch.write(connection)
    rows = await connection.fetch("SELECT detail ->> 'text' AS text FROM events")
    assert [row["text"] for row in rows] == ["a\ufffdb"]
    await disconnect(connection)


def test_no_row_holds_a_sealed_pan(make_log):
    sealed = JournalRecord.__name__  # something that would be found if the search were broken
    shown = [
        row.detail
        for offset, record in enumerate(records(make_log(300, partition_count=1)))
        for row in apply(record, Place(0, offset))
    ]
    assert sealed not in "".join(shown)
    for detail in shown:
        for secret in ("sealed", "seal_", SEALED_PAN.decode(), "c2VhbGVk"):
            assert secret not in detail
    asked = next(json.loads(d) for d in shown if "payment-requested" in d)
    assert set(asked["request"]["card"]) == {"masked_pan", "token", "bin"}
    assert asked["request"]["amount"]["currency"] == "156"


def test_a_request_is_shown_whole_but_for_its_card(make_log):
    record = next(
        record
        for record in records(make_log(50, partition_count=1))
        if isinstance(record.events[0], PaymentRequested)
    )
    event = record.events[0]
    assert isinstance(event, PaymentRequested)
    shown = json.loads(apply(record, Place(0, 1))[0].detail)["request"]
    for name in PaymentRequest.__struct_fields__:
        assert (name in shown) == bool(getattr(event.request, name)), name


def test_a_request_without_a_card_is_shown_too(make_log):
    record = records(make_log(2, partition_count=1))[1]
    event = record.events[0]
    assert isinstance(event, PaymentRequested)
    bare = replace(event, request=replace(event.request, card=None))
    assert "card" not in json.loads(encode_detail(bare))["request"]


def test_an_original_that_was_read_back_is_shown_by_its_reference_only(make_log):
    event = records(make_log(2, partition_count=1))[1].events[0]
    assert isinstance(event, PaymentRequested)
    original = Payment(rrn="000000000009", request=event.request)
    detail = encode_detail(replace(event, recalled=original))
    assert json.loads(detail)["recalled"] == "000000000009"
    assert SEALED_PAN.decode() not in detail


def test_working_keys_are_shown_by_their_check_values_only(make_log):
    asked = next(
        event
        for record in records(make_log(1_000, partition_count=1))
        for event in record.events
        if isinstance(event, TerminalAsked) and event.offered
    )
    shown = json.loads(encode_detail(asked))
    assert shown["offered"] == {"scheme": "003", "pik": "759368C0", "mak": "77800CBA"}
    assert shown["request"]["operation"] == "sign-on"


def test_look_ups_find_requests_reversals_tombstones_and_refusals(make_log):
    found: dict[str, set[str]] = {}
    for offset, record in enumerate(records(make_log(600, partition_count=1))):
        for row in apply(record, Place(0, offset)):
            if row.idempotency_key:
                found.setdefault("key", set()).add(row.tag)
            if row.stan:
                assert row.terminal_id
                found.setdefault("stan", set()).add(row.tag)
    assert found == {
        "key": {
            "payment-requested.v1",
            "reversal-requested.v1",
            "terminal-asked.v1",
            "reversal-accepted.v1",
            "duplicate-conflicted.v1",
            "tombstone-set.v1",
        },
        "stan": {
            "payment-requested.v1",
            "reversal-requested.v1",
            "terminal-asked.v1",
            "tombstone-set.v1",
            "request-refused.v1",
        },
    }
