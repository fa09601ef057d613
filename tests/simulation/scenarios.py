"""The named scenarios of docs/simulation.md: how each is brought about, and what it leaves."""

from typing import NamedTuple

from tests.simulation.options import PEACEFUL, SCENARIOS


class Scenario(NamedTuple):
    """Options that make it likely, and what a run must have come by to have met it."""

    fixed: dict[str, object]
    traces: frozenset[str]


def _strike(kind: str, **more: object) -> dict[str, object]:
    return {"strikes": ((kind, 1.0),), "strike_every_ms": 1_500, **more}


NAMED = {
    "lost-answer": Scenario(
        {"reply_loss_rate": 0.2, "frame_loss_rate": 0.05},
        frozenset({"fault reply-lost", "fault frame-lost", "row repeat of a completed request"}),
    ),
    "unknown-append": Scenario(
        _strike("log-cut", lost_ack_rate=0.01),
        frozenset({"fault lost-ack", "fault partition-lost AppendUnknown"}),
    ),
    "zombie": Scenario(
        _strike("handler-pause", handler_count=3),
        frozenset({"fault wake", "fault partition-lost Fenced", "void records"}),
    ),
    "frozen-log": Scenario(
        _strike("log-frozen"), frozenset({"fault log-frozen", "reason request-stale"})
    ),
    "stray-stream": Scenario(
        _strike("hand-over", handler_count=3, log_delay_max_ms=60),
        frozenset({"fault stray", "fault gap-read", "void records"}),
    ),
    "crash-everywhere": Scenario(
        {"strikes": (("gateway-crash", 1.0), ("handler-crash", 1.0), ("projector-crash", 1.0))},
        frozenset({"fault handler-crash", "fault gateway-crash", "fault projector-crash"}),
    ),
    "two-claimers": Scenario(_strike("fight", handler_count=2), frozenset({"fault fight"})),
    "projection-commit-unknown": Scenario(
        _strike("projector-crash"), frozenset({"fault commit-unknown"})
    ),
    "ownership-storm": Scenario(
        _strike("hand-over", handler_count=3, strike_every_ms=500),
        frozenset({"fault hand-over", "fault partition-lost released"}),
    ),
    "late-issuer-answer": Scenario(
        _strike("issuer-slow", bad_ending_rate=0.4),
        frozenset({"event late-answer-received.v1", "row late approval of an unknown payment"}),
    ),
    "reversal-first": Scenario(
        {"mischief_rate": 0.6, "frame_delay_max_ms": 400},
        frozenset({"fault reversal-first", "row request under a tombstone"}),
    ),
    "poisoned-reversal": Scenario(
        {"poison_rate": 0.2}, frozenset({"fault poisoned-reversal", "case reversal-poisoned"})
    ),
    "deactivate-race": Scenario(
        _strike("registry-change", strike_every_ms=800),
        frozenset({"fault registry-change", "reason merchant-not-active"}),
    ),
    "conflict-storm": Scenario(
        {"mischief_rate": 0.6},
        frozenset({"fault conflict-storm", "row other content under a used key"}),
    ),
    "duplicate-storm": Scenario(
        {"strikes": (("gateway-crash", 1.0), ("storm", 1.0)), "strike_every_ms": 4_000},
        frozenset({"fault duplicate-storm", "row repeat of a request in progress"}),
    ),
    "disk-full": Scenario(
        _strike("log-full"), frozenset({"fault log-full", "fault partition-lost AppendRefused"})
    ),
    "clock-jump": Scenario(_strike("clock-jump"), frozenset({"fault clock-jump"})),
    "slow-projection": Scenario({"projector_slow_factor": 100}, frozenset({"projection slow"})),
}
# beyond the named ones: where rare refusals and rows are met
DIRECTED = {
    "oddities": {"odd_share": 0.9, "kinds_rate": 0.9, "ascii_share": 0.0},
    "originals": {"kinds_rate": 0.95, "merchant_count": 2, "mischief_rate": 0.5},
    "days": {"days_between": (9, 32), "kinds_rate": 0.9, "errand_rate": 0.2},
    "next-day": {"days_between": (1, 1), "errand_rate": 0.3, "ascii_share": 0.0},
    "cashiers": {"merchant_count": 6, "mischief_rate": 0.6, "bad_ending_rate": 0.4},
    "busy": {"in_flight_max": 3, "burst_rate": 0.6, "think_ms": 500},
    "batches": {"errand_rate": 0.3, "ascii_share": 0.0, "kinds_rate": 0.9},
    "partners": {"partner_count": 8, "mischief_rate": 0.6, "strikes": (("issuer-slow", 1.0),)},
    "stand-in": {"stand_in_rate": 1.0, "strikes": (("issuer-down", 1.0),)},
}
SCENARIOS |= {name: one.fixed for name, one in NAMED.items()} | DIRECTED
assert SCENARIOS["peaceful"] is PEACEFUL
