"""Invariant 10: the log, decided again by the same code, gives the same decisions."""

from collections.abc import Iterator

from switch.domain.registry.view import Registry
from switch.handlers.replay import replay_record
from tests.simulation.checkers.violation import Violation


def check_replay(simulation) -> Iterator[Violation]:
    entries = simulation.registry.entries
    for index in range(simulation.options.partition_count):
        book = simulation.new_book(index)
        views: dict[int, Registry] = {}
        claim_id = None
        for landed in simulation.log.partition("journal", index).records:
            if landed is None:
                continue
            record = simulation.decode_record(landed.value)
            if type(record.events[0]).__name__ == "PartitionClaimed":
                claim_id = record.claim_id
            elif record.claim_id != claim_id:
                continue
            view = views.get(record.registry_position)
            if view is None:
                view = views[record.registry_position] = _view_at(record.registry_position, entries)
            step = replay_record(record, book, view, simulation.settings.rules)
            if not step.is_same:
                rrn = getattr(record.events[0], "rrn", "")
                shown = f"recorded {step.recorded}, decided {step.decided}"
                yield Violation(10, "decided-otherwise", shown, rrn)
            book.apply(record)


def _view_at(position: int, entries) -> Registry:
    view = Registry()
    for offset in range(position):
        view.apply(offset, entries[offset].event)
    return view
