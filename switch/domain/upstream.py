"""What the switch says to an issuer and hears from it, between a handler and an issuer link."""

import msgspec

from switch.domain.card import Card


class MatchKey(msgspec.Struct, frozen=True, gc=False):
    """
    What an answer must repeat to be the answer to a request; never the STAN alone.

    `message_class` is `payment` (01xx, 02xx) or `reversal` (04xx). The first two digits of the
    RRN are the partition that waits.
    """

    message_class: str
    stan: str
    rrn: str
    terminal_id: str


class UpstreamRequest(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One message for an issuer: elements by standard name, without the card.

    The link opens `card.sealed_pan`, adds pan and expiration_date and encodes. `secrets` (track2,
    icc_data: never stored) are given only for a debit.
    """

    link: str
    match: MatchKey
    mti: str
    fields: dict[str, str]
    card: Card | None = None
    secrets: dict[str, str | bytes] = {}


class UpstreamAnswer(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """
    One message from an issuer, matched or not.

    `fault` is empty for a message that could be read; else it says why it cannot be trusted
    (place and rule, never content).
    """

    link: str
    match: MatchKey
    mti: str
    fields: dict[str, str]
    fault: str = ""
