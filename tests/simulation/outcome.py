"""A whole run with its checks: what was reached, what was violated."""

import traceback
from collections import Counter
from collections.abc import Iterator

from tests.simulation.checkers.accounts import add_up
from tests.simulation.checkers.batches import check_batches
from tests.simulation.checkers.decision_table import list_rows
from tests.simulation.checkers.money import check_money
from tests.simulation.checkers.order import (
    Causes,
    check_age,
    check_answers,
    check_sending,
    check_silence,
    read_inbound,
)
from tests.simulation.checkers.originals import check_originals
from tests.simulation.checkers.partners import check_partners
from tests.simulation.checkers.projections import check_projection
from tests.simulation.checkers.registry import check_registry
from tests.simulation.checkers.replay import check_replay
from tests.simulation.checkers.secrets import check_secrets
from tests.simulation.checkers.settled import check_settled
from tests.simulation.checkers.told import check_told
from tests.simulation.checkers.trails import read_journal
from tests.simulation.checkers.violation import Violation
from tests.simulation.options import Options
from tests.simulation.simulation import NotAtRest, Simulation


class Outcome:
    """What became of one run."""

    def __init__(self, options: Options) -> None:
        self.options = options
        self.simulation: Simulation | None = None
        self.journal = None
        self.violations: list[Violation] = []
        self.payment_count = 0
        self.reached: Counter[str] = Counter()


def simulate(options: Options) -> Outcome:
    """Run one seed to its end and check all that must hold; never raises for what the run does."""
    outcome = Outcome(options)
    try:
        simulation = outcome.simulation = Simulation(options)
        try:
            simulation.run()
        except NotAtRest as error:
            outcome.violations.append(Violation(12, "not-at-rest", str(error)))
        outcome.payment_count = sum(len(t.payments) for t in simulation.terminals)
        outcome.payment_count += sum(len(p.orders) for p in simulation.partners)
        _check(simulation, outcome)
    except Exception as error:  # noqa: BLE001 - whatever it is, this seed has found it
        frames = traceback.extract_tb(error.__traceback__)
        place = f"{frames[-1].filename.rsplit('/', 1)[-1]}:{frames[-1].lineno}"
        shown = f"{type(error).__name__} at {place}: {error}"
        outcome.violations.insert(0, Violation(0, "raised", shown))
    return outcome


def _check(simulation: Simulation, outcome: Outcome) -> None:
    options, witness = simulation.options, simulation.witness
    journal = outcome.journal = read_journal(simulation.log, options.partition_count)
    accounts = add_up(witness.ledger)
    asked = read_inbound(simulation.log, options.partition_count)
    payments = [payment for t in simulation.terminals for payment in t.payments]
    found = outcome.violations
    found += [Violation(4, "journal-fault", fault) for fault in journal.faults]
    if parked := journal.tags.get("inbound-parked.v1"):
        found.append(Violation(0, "parked", f"{parked} requests could not be decided"))
    found += check_money(journal, accounts)
    found += check_settled(journal, witness.ledger)
    found += check_sending(journal, witness.sent)
    causes = Causes(journal, asked)
    found += check_answers(causes, witness.answers, asked)
    found += check_silence(journal, causes, asked)
    if not simulation.faults.has_jumped:
        found += check_age(journal, witness.sent, asked, witness.handed)
    found += check_told(journal, accounts, payments)
    orders = [order for partner in simulation.partners for order in partner.orders]
    found += check_partners(journal, accounts, orders)
    found += check_registry(journal, simulation.registry.entries, witness.sent)
    found += check_batches(journal, simulation)
    found += check_originals(journal)
    found += check_secrets(simulation)
    for projector in simulation.projectors:
        found += check_projection(projector, simulation, journal)
    if options.replays:
        found += check_replay(simulation)
    _note_reached(simulation, outcome)
    outcome.reached.update(f"row {row}" for row in list_rows(journal, asked))


def _note_reached(simulation: Simulation, outcome: Outcome) -> None:
    """Count what the run came to: events, cases, reasons, faults, answers."""
    journal, reached = outcome.journal, outcome.reached
    for kind, counts in (
        ("event", journal.tags),
        ("case", journal.case_kinds),
        ("reason", journal.reasons),
    ):
        for name, count in counts.items():
            reached[f"{kind} {name}"] += count
    reached["void records"] += journal.void_count
    reached["claims"] += journal.claim_count
    reached["projection slow"] += simulation.options.projector_slow_factor > 1
    for strike in simulation.witness.strikes:
        reached[f"fault {strike.kind}"] += 1
    for reasons in simulation.gateway_refusals():
        for reason, count in reasons.items():
            reached[f"reason {reason}"] += count
    reached.update(_list_told(simulation))


def _list_told(simulation: Simulation) -> Iterator[str]:
    """Name what terminals, partners and operators heard, and what terminals believe."""
    for terminal in simulation.terminals:
        for payment in terminal.payments:
            yield f"belief {payment.belief.value}"
            for told in payment.told:
                yield f"told {told.message_class} {told.code}"
    for operator in simulation.operators:
        for command, status in operator.answers:
            yield f"told command {command} {status}"
    for partner in simulation.partners:
        for order in partner.orders:
            for http in order.told:
                yield f"told {order.kind} over HTTP {http.status}"
