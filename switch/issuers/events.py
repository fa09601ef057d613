"""What an issuer link tells the shell around it."""

from typing import NamedTuple

from switch.domain.upstream import MatchKey, UpstreamAnswer


class SendBytes(NamedTuple):
    """Write this to the connection: sign-on and echo."""

    frame: bytes


class CloseLink(NamedTuple):
    """End the connection, with one log line; a new one is due at `IssuerLink.wake_at`."""

    reason: str


class Connect(NamedTuple):
    """Open a connection to the issuer now; tell `connected` or `connection_lost`."""


class LinkUp(NamedTuple):
    """The issuer accepted the sign-on: requests may be sent."""


class LinkDown(NamedTuple):
    """No request can be sent; whoever waits for one of `unanswered` will hear nothing here."""

    reason: str
    unanswered: tuple[MatchKey, ...]


class Answered(NamedTuple):
    """The first answer to a request of this link, while it was waited for."""

    answer: UpstreamAnswer


class LateAnswer(NamedTuple):
    """An answer to a request that was answered, given up, or sent over a connection now gone."""

    answer: UpstreamAnswer


class Unmatched(NamedTuple):
    """A message that answers nothing this link remembers; its RRN may still name a partition."""

    answer: UpstreamAnswer


LinkEvent = SendBytes | CloseLink | Connect | LinkUp | LinkDown | Answered | LateAnswer | Unmatched
