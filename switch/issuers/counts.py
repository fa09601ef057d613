"""What an issuer link counts; the shell turns it into metrics."""

import msgspec


class LinkCounts(msgspec.Struct, kw_only=True):
    """Running totals since the start."""

    sent: int = 0
    not_sent: int = 0  # refused here: not up, or at a bound
    answered: int = 0
    late: int = 0
    unmatched: int = 0
    garbage: int = 0
    given_up: int = 0  # waited for an answer when the link went down
