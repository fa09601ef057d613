"""
Snapshots in a simulated world: the real bytes, kept by machines and in one place for all.

What is loaded may be torn, old, or of something else: then it must be as good as none. What the
shell does in production (`switch/apps/snapshots.py`) is done here by hand.
"""

from random import Random
from typing import TYPE_CHECKING, NamedTuple

from msgspec.structs import replace

from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal_place import JournalPlace
from switch.eventlog.takeover import Takeover
from switch.handlers.book import PartitionBook
from switch.handlers.snapshot import (
    SnapshotDecoder,
    SnapshotOrigin,
    SnapshotUnusable,
    check_last_record,
    counts,
    encode_snapshot,
    make_origin,
)

if TYPE_CHECKING:
    from tests.simulation.handlers import SimHandler
    from tests.simulation.ownership import Ownership
    from tests.simulation.simulation import Simulation

CODE_DIGEST = "the code of this run"
KEPT_COUNT = 2  # of each machine and partition
TORN_RATE = 0.15
OLD_RATE = 0.15
FOREIGN_RATE = 0.1


class Taken(NamedTuple):
    """One snapshot as it was written."""

    place: JournalPlace
    data: bytes


def find_place(ownership: "Ownership") -> JournalPlace:
    """Where the book stands, records on their way included."""
    claimed, takeover = ownership._claimed, ownership._takeover
    return JournalPlace(
        next_offset=claimed.next_append_offset,
        claim_id=ownership.claim_id,
        epoch=takeover.epoch,
        void_count=takeover.void_count + claimed.void_count,
        claims=takeover.claims.list(),
    )


class SimSnapshots:
    """What the handlers of one run have kept: by machine and partition, and in the topic."""

    def __init__(self, simulation: "Simulation") -> None:
        self.simulation = simulation
        self.random = Random(f"snapshots-{simulation.options.seed}")
        # records; 0: none are taken. Each writes all there is: often is dear, and tries little more
        self.interval_count = self.random.choice((20, 60, 120, 0))
        self._folders: dict[tuple[int, int], list[Taken]] = {}
        self._topic: dict[int, list[Taken]] = {}
        self._counted_from: dict[int, int] = {}  # offset by partition

    def origin_of(self, index: int, **changes: object) -> SnapshotOrigin:
        settings = self.simulation.settings
        given = {
            "partition": index,
            "partition_count": settings.partition_count,
            "code_digest": CODE_DIGEST,
            "rules": settings.rules,
        }
        return make_origin(**given | changes)

    # -- taking

    def note_acked(self, ownership: "Ownership") -> None:
        """Take one when it is due; let the one that was taken count once all in it is durable."""
        if ownership.is_lost or ownership._is_released or ownership._actions:
            return  # the machine has folded what the log was not yet given
        if ownership._claimed.gap_end is not None:
            return  # where the book stands would be foreseen too low
        acked, taken = ownership._claimed.next_offset, ownership.taken
        if taken is None:
            if self._is_due(ownership.index, acked):
                ownership.taken = self._take(ownership)
            return
        if acked < taken.place.next_offset:
            return
        ownership.taken = None
        if not counts(taken.place, find_place(ownership)):
            self.simulation.note_fault("snapshot-discarded", ownership.handler.name)
            return
        index, place = ownership.index, ownership.handler.place
        for kept in (
            self._folders.setdefault((place, index), []),
            self._topic.setdefault(index, []),
        ):
            kept.append(taken)
            del kept[:-KEPT_COUNT]

    def forget(self, ownership: "Ownership") -> None:
        """Throw away what was taken before a gap: strays in it or none, it shifted offsets."""
        if ownership.taken is not None:
            ownership.taken = None
            self.simulation.note_fault("snapshot-discarded", ownership.handler.name)

    def _is_due(self, index: int, acked: int) -> bool:
        fresh_count = acked - self._counted_from.get(index, 0)
        return bool(self.interval_count) and fresh_count >= self.interval_count

    def _take(self, ownership: "Ownership") -> Taken:
        """Write all of it now, as a child of a fork does; records on their way are in it."""
        place, index = find_place(ownership), ownership.index
        self._counted_from[index] = place.next_offset
        data = b"".join(encode_snapshot(ownership.book, place, self.origin_of(index)))
        self.simulation.note_fault("snapshot-taken", ownership.handler.name)
        return Taken(place, data)

    # -- loading

    def load(self, handler: "SimHandler", index: int) -> tuple[JournalPlace, PartitionBook] | None:
        """Restore the newest usable one, the machine's own or the topic's; None: there is none."""
        found = [*self._folders.get((handler.place, index), ()), *self._topic.get(index, ())]
        found.sort(key=lambda taken: -taken.place.next_offset)
        if found and self.simulation.is_stormy and self.random.random() < OLD_RATE:
            self.simulation.note_fault("snapshot-old", handler.name)
            found.reverse()
        for taken in found:
            origin, data = self.origin_of(index), taken.data
            if self.simulation.is_stormy:
                origin, data = self._spoil(handler, origin, data)
            try:
                return self._restore(index, origin, data)
            except SnapshotUnusable:
                self.simulation.note_fault("snapshot-unusable", handler.name)
        return None

    def _restore(
        self, index: int, origin: SnapshotOrigin, data: bytes
    ) -> tuple[JournalPlace, PartitionBook]:
        decoder = SnapshotDecoder(origin, self.simulation.settings.rules)
        decoder.feed(data)
        place, book = decoder.finish()
        journal = self.simulation.log.partition("journal", index)
        last = [
            self.simulation.decode_record(value)
            for offset, value in journal.read(place.next_offset - 1, place.next_offset)
        ]
        check_last_record(place, last[0] if last else None)
        self.simulation.note_fault("snapshot-loaded", journal.name)
        self._compare(index, place, book)
        return place, book

    def _compare(self, index: int, place: JournalPlace, book: PartitionBook) -> None:
        """Fold the journal from its start: both must have come to the same."""
        simulation, whole = self.simulation, self.simulation.new_book(index)
        takeover = Takeover(
            simulation.decode_record, on_record=lambda _, record: whole.apply(record)
        )
        takeover.feed(simulation.log.partition("journal", index).read(0, place.next_offset))
        assert takeover.place() == place, "a snapshot stands elsewhere than the journal"
        assert whole == book, "a snapshot holds something else than the journal"

    def _spoil(
        self, handler: "SimHandler", origin: SnapshotOrigin, data: bytes
    ) -> tuple[SnapshotOrigin, bytes]:
        """Tear it, or let the handler be one of another version or another place."""
        random, chance = self.random, self.random.random()
        if chance < TORN_RATE:
            self.simulation.note_fault("snapshot-torn", handler.name)
            place = int(random.random() * len(data))
            if random.random() < 0.5:
                return origin, data[:place]
            return origin, data[:place] + bytes((data[place] ^ 0x20,)) + data[place + 1 :]
        if chance < TORN_RATE + FOREIGN_RATE:
            self.simulation.note_fault("snapshot-foreign", handler.name)
            return random.choice(
                (
                    self.origin_of(origin.partition, code_digest="another code"),
                    self.origin_of(origin.partition, rules=DecisionRules(refund_days=7)),
                    replace(origin, partition=origin.partition + 1),
                )
            ), data
        return origin, data
