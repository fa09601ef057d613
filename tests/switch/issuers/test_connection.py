"""The connection's one timer."""

from switch.codec import load_dialect
from switch.domain.clock import Now
from switch.issuers.connection import LinkConnection, LinkState
from switch.issuers.events import Connect
from switch.issuers.limits import LinkLimits


def test_jitter_spreads_over_the_upper_half_of_the_delay() -> None:
    delays = []
    for number in (0.0, 0.999):
        connection = LinkConnection(load_dialect("iso1987-ascii"), LinkLimits(), lambda n=number: n)
        assert connection.timer(Now(0, 0)) == ([Connect()], "")
        assert connection.state is LinkState.CONNECTING
        assert connection.lost(Now(0, 1_000))
        delays.append(connection.due_boot_ms - 1_000)
    assert delays == [50, 99]


def test_a_connection_is_lost_only_once() -> None:
    connection = LinkConnection(load_dialect("iso1987-ascii"), LinkLimits(), lambda: 0.0)
    connection.timer(Now(0, 0))
    assert connection.lost(Now(0, 0))
    assert not connection.lost(Now(0, 1))
