"""What an issuer link may wait for and hold."""

import msgspec


class LinkLimits(msgspec.Struct, frozen=True, kw_only=True):
    """
    The bounds of one link; `apps` fills them from the settings of the same names.

    `answer_wait_ms` is the issuer time-out: an answer after it is a late one.
    """

    answer_wait_ms: int = 40_000
    connect_timeout_ms: int = 3_000
    sign_on_timeout_ms: int = 5_000
    echo_interval_ms: int = 30_000
    echo_timeout_ms: int = 5_000
    echo_missed_count_max: int = 2  # one may be lost in a busy issuer, two are silence
    reconnect_delay_min_ms: int = 100
    reconnect_delay_max_ms: int = 5_000
    in_flight_count_max: int = 10_000
    late_count_max: int = 10_000  # requests remembered after their end, to know late answers
    frame_bytes_max: int = 4_096
