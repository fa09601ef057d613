"""Time as the pure rooms see it: handed in, never read."""

import msgspec


class Now(msgspec.Struct, frozen=True, gc=False):
    """
    One reading of both clocks in milliseconds.

    `wall_ms` is UTC since the epoch: it goes into records and answers. `boot_ms` runs on through
    suspension and never jumps: every wait and the send window are measured on it.
    """

    wall_ms: int
    boot_ms: int
