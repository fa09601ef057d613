"""Projections over a simulated database that commits all of a transaction or nothing of it."""

from typing import TYPE_CHECKING

from projections.applying import add_records
from projections.audit.tables import AuditBatch
from projections.position import Position
from projections.settlement.tables import SettlementBatch, sum_lines
from tests.simulation.clock import Process

if TYPE_CHECKING:
    from tests.simulation.simulation import Simulation

BATCH_MAX = 64
DEATH_RATE = 0.02  # at either side of a commit


class SimDatabase:
    """Rows and positions of one projection."""

    def __init__(self, partition_count: int) -> None:
        self.positions = {index: Position(partition=index) for index in range(partition_count)}
        self.rows: list[tuple] = []
        self.folded: dict = {}

    def move(self, before: Position, after: Position) -> bool:
        """Move a position if it is where the projector thinks; else the whole must roll back."""
        if self.positions[before.partition] != before:
            return False
        self.positions[before.partition] = after
        return True


def write_settlement(database: SimDatabase, batch: SettlementBatch) -> None:
    database.rows += batch.lines
    database.rows += batch.postings
    for key, sums in sum_lines(batch.lines).items():
        totals = database.folded.setdefault(key, [0] * len(sums))
        for place, amount in enumerate(sums):
            totals[place] += amount


def write_audit(database: SimDatabase, batch: AuditBatch) -> None:
    database.rows += batch.events
    opened, changed = batch._fold(sorted(batch._folds), database.folded)
    for row in (*opened, *changed):
        database.folded[row.rrn] = row


KINDS = {
    "settlement": (SettlementBatch, write_settlement),
    "audit": (AuditBatch, write_audit),
}


class SimProjector(Process):
    """Reads the journal into one projection; dies and starts again without losing its database."""

    def __init__(self, simulation: "Simulation", kind: str) -> None:
        super().__init__(simulation.scheduler, f"projector-{kind}")
        self.simulation = simulation
        self.kind = kind
        self.new_batch, self._write = KINDS[kind]
        self.database = SimDatabase(simulation.options.partition_count)
        self._generation = 0
        self._batch_max = 1 + int(simulation.random.random() * BATCH_MAX)
        self._death_rate = DEATH_RATE if simulation.options.strikes_of("projector-crash") else 0.0
        self._is_planned = False
        self._journals = [
            simulation.log.partition("journal", index)
            for index in range(simulation.options.partition_count)
        ]
        for journal in self._journals:
            journal.readers[self] = self._hear_news

    @classmethod
    def start_all(cls, simulation: "Simulation") -> list["SimProjector"]:
        kinds = ["settlement", *(["audit"] if simulation.options.projects_audit else [])]
        return [cls(simulation, kind) for kind in kinds]

    @property
    def is_done(self) -> bool:
        positions = self.database.positions
        return all(
            positions[index].next_offset >= journal.end
            for index, journal in enumerate(self._journals)
        )

    def _hear_news(self) -> None:
        """There is something to read: read it a little later, all that has come by then."""
        if not self._is_planned:
            self._plan()

    def _plan(self) -> None:
        self._is_planned = True
        simulation = self.simulation
        factor = simulation.options.projector_slow_factor if simulation.is_stormy else 0.1
        delay = int(factor * (20 + simulation.random.random() * 300))
        self.scheduler.after(1 + delay, self, self._step, self._generation)

    def _step(self, generation: int) -> None:
        """Read, apply and write one batch of each partition."""
        if generation != self._generation:
            return
        self._is_planned = False
        for index, journal in enumerate(self._journals):
            before = self.database.positions[index]
            if before.next_offset < journal.end:
                records = journal.read(before.next_offset, journal.end)[: self._batch_max]
                batch = self.new_batch()
                after = add_records(batch, before, records)
                self.commit(batch, before, after)
                if generation != self._generation:
                    return
        if not self.is_done and not self._is_planned:
            self._plan()

    def commit(self, batch, before: Position, after: Position) -> None:
        """Write rows and position in one transaction; its answer may be lost."""
        if self.dies_here():
            return
        if self.database.move(before, after):
            self._write(self.database, batch)
        self.dies_here()

    def dies_here(self) -> bool:
        """Die before or after a commit, now and then: the next one starts from what is stored."""
        simulation = self.simulation
        if simulation.is_struck_at_step(self):
            return True
        rate = self._death_rate
        if simulation.is_stormy and rate and simulation.random.random() < rate:
            simulation.note_fault("commit-unknown", self.name)
            self.crash()
            return True
        return False

    def crash(self) -> None:
        """Lose whatever is in memory; start again a little later."""
        self._generation += 1
        self._plan()
