"""What is done to a zombie, by the tests, by the long run and with a safeguard taken out."""

import time

from tests.faults.kafka.proxy import Direction, Verb
from tests.faults.stand import until

CLAIMED_WITHIN_S = 45.0
# a handler that still takes an ack for its own long after it was frozen
LONG_APPENDS = {"TIMES__APPEND_DEADLINE_MS": "20000", "TIMES__TERMINAL_DEADLINE_MS": "25000"}


def pass_time(seconds):
    """Let a fault last: what is waited for is the clock."""
    over_at = time.monotonic() + seconds
    until(lambda: time.monotonic() > over_at, "time passes", seconds + 5)


def find_owner(stand):
    """Return a handler that serves something, and what: partition -> its name as an owner."""
    rows = until(stand.rows, "somebody serves")
    owner = next(iter(rows.values()))[0]
    return owner, {
        index: row["owner"] for index, (handler, row) in rows.items() if handler is owner
    }


def wait_succeeded(stand, taken):
    """Wait until the last word on each of these partitions is somebody else's claim."""
    until(
        lambda: all(stand.owners()[index] != name for index, name in taken.items()),
        lambda: f"successors for {taken}: {stand.owners()}",
        CLAIMED_WITHIN_S,
    )


def wait_given_up(stand, taken):
    """Wait until the successors have told the issuer to reverse what they found routed."""

    def is_over():
        stories = stand.journal().stories.values()
        return not any(
            s.routed and not (s.approval or s.refusal or s.unknown)
            for s in stories
            if s.routed and s.routed.partition in taken
        )

    until(is_over, "the successors give up what they found routed")


def let_strays_land(stand, proxy):
    """Hold what an owner appends until a successor has claimed: it lands behind the claim."""
    zombie, taken = find_owner(stand)
    strays = proxy.order(
        Verb.HOLD, Direction.TO_SERVER, topic="journal", text="payment-routed.v1", pid=zombie.pid
    )
    until(lambda: strays.met, "the record of a route on its way")
    with zombie.frozen():
        wait_succeeded(stand, taken)
        proxy.heal()
        until(lambda: stand.journal().void(), "void records")
    return zombie


def let_an_ack_come_late(stand, proxy):
    """Hold an ack until a successor has reversed what it was for; then let its owner go on."""
    zombie, taken = find_owner(stand)
    held = proxy.order(
        Verb.HOLD, Direction.TO_CLIENT, topic="journal", text="payment-routed.v1", pid=zombie.pid
    )
    until(lambda: held.met, "the ack of a route on its way")
    with zombie.frozen():
        wait_succeeded(stand, taken)
        wait_given_up(stand, taken)
        proxy.heal()
