"""What one seed draws: topology, load, which faults and how often. Printed when a run fails."""

from random import Random

import msgspec

# faults that strike every now and then, with their usual weight; a seed draws which are on
STRIKES = {
    "handler-crash": 3.0,
    "handler-pause": 3.0,
    "handler-slow": 1.0,
    "gateway-crash": 1.5,
    "gateway-pause": 1.0,
    "log-frozen": 1.0,
    "log-full": 0.7,
    "log-cut": 2.0,
    "link-cut": 2.5,
    "issuer-slow": 1.5,
    "issuer-silent": 1.5,
    "issuer-down": 1.0,
    "registry-change": 4.0,
    "registry-stall": 1.0,
    "clock-jump": 0.5,
    "hand-over": 2.0,
    "fight": 1.0,
    "storm": 1.0,
    "lines-cut": 1.0,
    "projector-crash": 1.5,
}


class Options(msgspec.Struct, frozen=True, kw_only=True):
    """Times are milliseconds of simulated time, rates are chances from 0 to 1."""

    seed: int
    scenario: str = "mixed"
    # topology
    partition_count: int = 3
    gateway_count: int = 2
    handler_count: int = 2
    issuer_count: int = 2
    links_per_issuer: int = 2
    merchant_count: int = 5
    terminal_count: int = 24
    in_flight_max: int = 5_000  # requests that a gateway lets wait
    operator_count: int = 0  # persons who see to cases
    partner_count: int = 2  # that ask over HTTP
    days_between: tuple[int, ...] = ()  # after each of these, another storm
    ascii_share: float = 0.2  # terminals that speak iso1987-ascii
    odd_share: float = 0.0  # terminals with which something is wrong
    stand_in_rate: float = 0.0  # issuers that may be stood in for
    # load
    payment_count: int = 150
    think_ms: int = 4_000
    burst_rate: float = 0.2  # chance that a terminal goes on at once
    kinds_rate: float = 0.6  # payments that are more than a sale, where they can be
    mischief_rate: float = 0.25  # chance that a payment has a course of its own
    errand_rate: float = 0.05  # chance that a terminal has something else to do than a payment
    bad_ending_rate: float = 0.2  # amounts that tell the issuer to misbehave
    # faults of single messages
    frame_loss_rate: float = 0.01
    frame_delay_max_ms: int = 60
    black_line_rate: float = 0.005  # a line goes dead without a word
    reply_loss_rate: float = 0.01
    reply_twice_rate: float = 0.01
    reply_delay_max_ms: int = 30
    link_delay_max_ms: int = 40
    adrift_rate: float = 0.01  # a message to the issuer lies in a queue for seconds
    issuer_lie_rate: float = 0.02
    poison_rate: float = 0.005  # reversals that are answered with nonsense for ever
    # faults of the log
    log_delay_max_ms: int = 8
    lost_ack_rate: float = 0.001
    hole_rate: float = 0.0
    # faults that strike
    strike_every_ms: int = 3_000
    strikes: tuple[tuple[str, float], ...] = ()
    clock_error_max_ms: int = 100
    # projections
    projects_audit: bool = False
    projector_slow_factor: int = 1
    replays: bool = False
    # one blow at an enumerated step: of which kind of process, how, before which of its effects
    blow_to: str = ""  # handler, gateway, projector
    blow: str = "crash"  # or pause
    blow_step: int = 0

    def strikes_of(self, kind: str) -> float:
        return dict(self.strikes).get(kind, 0.0)


# a small world in which nothing goes wrong by itself
PEACEFUL: dict[str, object] = {
    "partition_count": 1,
    "gateway_count": 2,
    "handler_count": 2,
    "issuer_count": 1,
    "links_per_issuer": 1,
    "merchant_count": 1,
    "terminal_count": 4,
    "ascii_share": 0.25,
    "payment_count": 10,
    "think_ms": 500,
    "mischief_rate": 0.5,
    "frame_loss_rate": 0.0,
    "black_line_rate": 0.0,
    "reply_loss_rate": 0.0,
    "reply_twice_rate": 0.0,
    "adrift_rate": 0.0,
    "issuer_lie_rate": 0.0,
    "poison_rate": 0.0,
    "lost_ack_rate": 0.0,
    "hole_rate": 0.0,
    "strikes": (),
    "projects_audit": True,
    "replays": True,
}

SCENARIOS: dict[str, dict[str, object]] = {"mixed": {}, "peaceful": PEACEFUL}  # and more of them


def draw_options(seed: int, **fixed: object) -> Options:
    """Draw a run from its seed; `fixed` replaces what was drawn, without changing the rest."""
    random = Random(f"options-{seed}")
    pick, chance = random.choice, random.random
    strikes = {
        kind: weight * (0.2 + 2 * chance()) for kind, weight in STRIKES.items() if chance() < 0.65
    }
    drawn = {
        "partition_count": pick((1, 2, 3, 4)),
        "gateway_count": pick((1, 2, 3)),
        "handler_count": pick((1, 2, 2, 3)),
        "issuer_count": pick((1, 2, 3)),
        "links_per_issuer": pick((1, 2)),
        "merchant_count": pick((2, 4, 6)),
        "terminal_count": pick((12, 24, 36)),
        "ascii_share": pick((0.0, 0.2, 0.4)),
        "odd_share": pick((0.0, 0.1, 0.2)),
        "stand_in_rate": pick((0.0, 0.0, 0.5)),
        "in_flight_max": pick((5_000, 5_000, 5_000, 4)),
        "operator_count": pick((0, 0, 2)),
        "partner_count": pick((0, 2, 4)),
        "days_between": pick(((), (), (), (1,), (8,), (9, 32), (181,))),
        "payment_count": pick((120, 160, 200)),
        "think_ms": pick((500, 2_000, 6_000)),
        "burst_rate": pick((0.0, 0.2, 0.6)),
        "kinds_rate": pick((0.0, 0.4, 0.7, 0.9)),
        "mischief_rate": pick((0.1, 0.3, 0.5)),
        "errand_rate": pick((0.0, 0.03, 0.1, 0.2)),
        "bad_ending_rate": pick((0.1, 0.2, 0.4)),
        "frame_loss_rate": pick((0.0, 0.005, 0.02, 0.05)),
        "frame_delay_max_ms": pick((10, 60, 400)),
        "black_line_rate": pick((0.0, 0.003, 0.02)),
        "reply_loss_rate": pick((0.0, 0.01, 0.05)),
        "reply_twice_rate": pick((0.0, 0.02)),
        "reply_delay_max_ms": pick((10, 50, 500)),
        "link_delay_max_ms": pick((20, 60, 300)),
        "adrift_rate": pick((0.0, 0.002, 0.01)),
        "issuer_lie_rate": pick((0.0, 0.02, 0.06)),
        "poison_rate": pick((0.0, 0.0, 0.02)),
        "log_delay_max_ms": pick((3, 10, 60)),
        "lost_ack_rate": pick((0.0, 0.001, 0.005)),
        "hole_rate": pick((0.0, 0.0, 0.01)),
        "strike_every_ms": pick((1_500, 4_000, 10_000)),
        "strikes": tuple(sorted(strikes.items())),
        "clock_error_max_ms": pick((0, 100, 100, 120)),
        "projects_audit": chance() < 0.2,
        "projector_slow_factor": pick((1, 1, 1, 100)),
        "replays": chance() < 0.25,
    }
    return Options(seed=seed, **{**drawn, **fixed})
