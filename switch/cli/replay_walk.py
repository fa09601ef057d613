"""Walks a journal from its first record and decides again what it records; pure."""

from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from switch.domain.payment.rules import DecisionRules
from switch.domain.registry.events import RegistryEvent
from switch.domain.registry.view import Registry
from switch.eventlog.journal import JournalEvent, JournalRecord, PartitionClaimed, PartitionReleased
from switch.eventlog.journal_reader import JournalReader, RecordReader
from switch.eventlog.registry_record import RegistryRecord, decode_registry_record
from switch.handlers.book import PartitionBook
from switch.handlers.replay import replay_record

DIFFERENCES_MAX: Final = 12  # fields named in one comparison; more are only counted
SHOWN_VALUE_MAX: Final = 60


class ReplayFault(Exception):
    """The recorded steps cannot be gone through; the message says where it stopped."""


class ReplayedRecord(NamedTuple):
    """
    One valid record beside what today's code decides.

    `decided` is None where the record holds nothing that is decided from state and registry alone
    (a claim, a refusal that rests on a MAC). `fault` says that today's code raised instead of
    deciding.
    """

    offset: int
    epoch: int
    record: JournalRecord
    recorded: tuple[JournalEvent, ...]
    decided: tuple[JournalEvent, ...] | None
    fault: str = ""

    @property
    def is_same(self) -> bool:
        """Whether today's code decides as the record says."""
        return not self.fault and (self.decided is None or self.decided == self.recorded)


class RegistryTimeline:
    """The registry as it stood at any position of its log; going back starts it over."""

    def __init__(self) -> None:
        self._reader: RecordReader[RegistryRecord] = RecordReader(decode_registry_record)
        self._events: list[tuple[int, RegistryEvent]] = []
        self._view = Registry()
        self._applied_count = 0

    @property
    def next_offset(self) -> int:
        """The registry record to be fed next."""
        return self._reader.next_offset

    def feed(self, offset: int, value: bytes) -> None:
        """
        Take the next record of the registry log.

        Raises:
            UnknownEvent: a newer program wrote it.
        """
        record = self._reader.feed(offset, value)
        for event in record.events if record is not None else ():
            if not isinstance(event, PartitionClaimed | PartitionReleased):
                self._events.append((offset, event))

    def at(self, position: int) -> Registry:
        """
        Return the view of everything below `position`; valid until the next call.

        Raises:
            ReplayFault: the registry log is shorter than that.
        """
        if position > self.next_offset:
            raise ReplayFault(
                f"the registry log ends at {self.next_offset}, but a record was decided with"
                f" everything below {position}: registry events were lost"
            )
        if position < self._view.position:
            self._view, self._applied_count = Registry(), 0
        for offset, event in self._events[self._applied_count :]:
            if offset >= position:
                break
            self._view.apply(offset, event)
            self._applied_count += 1
        if position > self._view.position:
            self._view.advance(position - 1)
        return self._view


class PartitionReplay:
    """Folds one partition's valid records and compares those that are asked for."""

    def __init__(
        self, partition: int, partition_count: int, rules: DecisionRules, registry: RegistryTimeline
    ) -> None:
        self.reader = JournalReader()
        self._book = PartitionBook(partition, partition_count, rules)
        self._rules = rules
        self._registry = registry

    def take(self, offset: int, value: bytes, *, rrn: str = "") -> ReplayedRecord | None:
        """
        Take the next record; return the comparison, None if it is void or concerns other payments.

        Without `rrn` every valid record is compared.

        Raises:
            UnknownEvent: a newer program wrote it.
            ReplayFault: it cannot be folded, or the registry it was decided with is not there.
        """
        record = self.reader.feed(offset, value)
        if record is None:
            return None
        replayed = self._compare(offset, record) if not rrn or concerns(record, rrn) else None
        try:
            self._book.apply(record)
        except Exception as error:
            raise ReplayFault(
                f"today's code cannot fold the record at offset {offset}: {_explain(error)}"
            ) from error
        return replayed

    def _compare(self, offset: int, record: JournalRecord) -> ReplayedRecord:
        view = self._registry.at(record.registry_position)
        try:
            step = replay_record(record, self._book, view, self._rules)
        except Exception as error:  # noqa: BLE001 - whatever it is, it is not the recorded decision
            recorded = record.events[1:]
            fault = _explain(error)
            return ReplayedRecord(offset, self.reader.epoch, record, recorded, None, fault)
        return ReplayedRecord(offset, self.reader.epoch, record, step.recorded, step.decided)


def concerns(record: JournalRecord, rrn: str) -> bool:
    """Say whether any event of the record names this payment."""
    return any(getattr(event, "rrn", "") == rrn for event in record.events)


def list_differences(
    recorded: Sequence[JournalEvent], decided: Sequence[JournalEvent]
) -> list[str]:
    """Name every field in which two decisions differ, as `event.field: recorded -> today`."""
    found: list[str] = []
    for index in range(max(len(recorded), len(decided))):
        before = msgspec.to_builtins(recorded[index]) if index < len(recorded) else {}
        after = msgspec.to_builtins(decided[index]) if index < len(decided) else {}
        if before.get("type") != after.get("type"):
            found.append(f"{before.get('type', 'nothing')} -> {after.get('type', 'nothing')}")
        else:
            _compare_fields(before, after, str(before["type"]), found)
    if len(found) > DIFFERENCES_MAX:
        found[DIFFERENCES_MAX:] = [f"and {len(found) - DIFFERENCES_MAX} more"]
    return found


def _compare_fields(before: object, after: object, path: str, found: list[str]) -> None:
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            _compare_fields(before.get(name), after.get(name), f"{path}.{name}", found)
    elif before != after:
        found.append(f"{path}: {_show(before)} -> {_show(after)}")


def _show(value: object) -> str:
    text = "absent" if value is None else str(value)
    return text if len(text) <= SHOWN_VALUE_MAX else text[: SHOWN_VALUE_MAX - 3] + "..."


def _explain(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
