"""Invariant 11: no card number and no key in anything that is left behind."""

from collections.abc import Iterator

from tests.simulation.checkers.violation import Violation

CARD_DIGITS_ALIKE = 13
KEYS_LOOKED_FOR = 3


def check_secrets(simulation) -> Iterator[Violation]:
    # all cards of an issuer begin alike, and so do the keys of this world: a few needles find all
    needles = {card[:CARD_DIGITS_ALIKE] for card in simulation.world.cards}
    keys = {spec.mak.hex().upper() for spec in simulation.world.terminals[:KEYS_LOOKED_FOR]}
    needles |= keys - {""}
    secrets = [needle.encode() for needle in sorted(needles)]
    for partition in simulation.log.partitions.values():
        left = b"\n".join([landed.value for landed in partition.records if landed is not None])
        for secret in secrets:
            if secret in left:
                yield Violation(11, "secret-in-clear", partition.name)
    for projector in simulation.projectors:
        if projector.kind == "audit":
            told = "\n".join([row.detail for row in projector.database.rows])
            if any(needle in told for needle in needles):
                yield Violation(11, "secret-in-clear", projector.name)
