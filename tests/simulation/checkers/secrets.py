"""Invariant 11: no card number and no key in anything that is left behind."""

from collections.abc import Iterator

from tests.simulation.checkers.violation import Violation


def check_secrets(simulation) -> Iterator[Violation]:
    secrets = [card.encode() for card in simulation.world.cards]
    secrets += [spec.mak.hex().upper().encode() for spec in simulation.world.terminals if spec.mak]
    for partition in simulation.log.partitions.values():
        left = b"\n".join(landed.value for landed in partition.records if landed is not None)
        for secret in secrets:
            if secret in left:
                yield Violation(11, "secret-in-clear", partition.name)
    for projector in simulation.projectors:
        left = repr(projector.database.rows).encode()
        if any(secret in left for secret in secrets):
            yield Violation(11, "secret-in-clear", projector.name)
