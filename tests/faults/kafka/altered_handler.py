"""
A handler process with one thing changed, for tests alone.

    FAULTS_ALTERATION=no-void-rule python -m tests.faults.kafka.altered_handler handler --data DIR

Four alterations take a safeguard out: the suite must then fail, or it would not notice either if
the switch lost it. `patient` makes room for a very late ack, `newer-records` is a later version
that writes one field more. Nothing in here can be reached from the switch. Modules are imported
late: they are changed before others take from them.
"""

import json
import os
import sys
from importlib import import_module

LONG_MS = 60_000
FOR_EVER_MS = 1 << 50


def take_out_void_rule():
    """Whoever takes over believes every record, also those of writers that were succeeded."""
    journal_reader = import_module("switch.eventlog.journal_reader")

    def feed(self, offset, value):
        record = self._decode(value)
        self.next_offset = offset + 1
        if journal_reader.is_claim(record):
            self.claim_id, self.epoch = record.claim_id, offset
        self.last_was_void = False
        return record

    journal_reader.RecordReader.feed = feed


def take_out_append_check():
    """An ack is an ack, wherever the record went."""
    claimed_writer = import_module("switch.eventlog.claimed_writer")
    contiguous = claimed_writer.AppendVerdict.CONTIGUOUS
    claimed_writer.check_append = lambda _expected, _acked: contiguous


def take_out_write_ahead():
    """Effects do not wait for their cause to be durable."""
    owned_journal = import_module("switch.adapters.owned_journal")

    def append(self, record, sink, **more):
        offset = self._writer.next_offset
        self._writer.next_offset += 1
        self._log.append(self._format.encode(record), lambda _outcome: None, **more)
        self._loop.call_soon(owned_journal.call_sink, sink, offset)

    owned_journal.OwnedJournal.append = append


def take_out_send_window():
    """A debit is sent however long its ack took."""
    side = import_module("switch.handlers.issuers_side").IssuersSide
    send_debit = side.send_debit

    def send_whenever(self, effects, now):
        effects.send_before_boot_ms = FOR_EVER_MS
        send_debit(self, effects, now)

    side.send_debit = send_whenever


def wait_long_for_acks():
    """The producer takes an ack for its own however late it comes."""
    import_module("switch.adapters.kafka_client").REQUEST_TIMEOUT_MS = LONG_MS
    sender = import_module("switch.adapters.kafka_writer").KafkaSender
    begin = sender.__init__

    def begin_patiently(self, client, *, append_deadline_ms):
        begin(self, client, append_deadline_ms=max(append_deadline_ms, LONG_MS))

    sender.__init__ = begin_patiently


def write_newer_records():
    """Each record has a field that this version's readers do not know."""
    journal = import_module("switch.eventlog.journal")
    encode = journal.encode_record

    def encode_newer(record):
        return json.dumps(json.loads(encode(record)) | {"newer": 1}).encode()

    journal.encode_record = encode_newer


ALTERATIONS = {
    "no-void-rule": take_out_void_rule,
    "no-append-check": take_out_append_check,
    "no-write-ahead": take_out_write_ahead,
    "no-send-window": take_out_send_window,
    "patient": wait_long_for_acks,
    "newer-records": write_newer_records,
}


if __name__ == "__main__":
    for name in os.environ["FAULTS_ALTERATION"].split(","):
        ALTERATIONS[name]()
    sys.exit(import_module("switch.cli.main").main())
