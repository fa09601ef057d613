"""Counts begin at nothing."""

import msgspec

from switch.issuers.counts import LinkCounts


def test_a_new_link_has_counted_nothing() -> None:
    assert set(msgspec.structs.asdict(LinkCounts()).values()) == {0}
