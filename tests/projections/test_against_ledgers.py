"""Settlement lines and verdicts beside what the issuers booked, over random histories."""

import collections

import pytest

from projections.audit.tables import AuditBatch
from projections.position import Place
from projections.queries.case_file import Standing
from projections.settlement.tables import SettlementBatch
from switch.domain.fees import FeePlan, compute_fee
from switch.eventlog.journal_reader import JournalReader
from tests.simulation import world
from tests.simulation.options import draw_options
from tests.simulation.simulation import Simulation
from tests.simulation.sweep import without_collection

PLANS = (
    FeePlan(rate_ppm=6_000, min_minor=700),
    FeePlan(rate_ppm=38_000, min_minor=300, cap_minor=5_000),
    FeePlan(rate_ppm=123_457),
    FeePlan(rate_ppm=999, cap_minor=30),
    FeePlan(rate_ppm=0),
    FeePlan(rate_ppm=90_000, is_returned_on_refund=False),
)
HOLD, COMPLETIONS = "pre-authorization", {"completion", "completion-advice"}
TAKING = {"sale", "instalment-sale", "offline-advice", *COMPLETIONS}
ADJUSTMENT = "adjustment-advice"


class History:
    """One simulated run: its payments, cases and settlement lines, and the issuers' books."""

    def __init__(self, seed):
        self.simulation = Simulation(draw_options(seed, kinds_rate=0.9, merchant_count=6))
        with without_collection():
            self.simulation.run()
        audit, settlement = AuditBatch(), SettlementBatch()
        self.plans = {}
        for partition in range(self.simulation.options.partition_count):
            self._read(partition, audit, settlement)
        opened, _ = audit._fold(sorted(audit._folds), {})
        self.payments = {row.rrn: row for row in opened}
        self.cases = audit._cases.fold({})
        self.in_doubt = {case.rrn for case in self.cases}
        self.lines, self.changes = collections.defaultdict(list), collections.defaultdict(list)
        for line in settlement.lines:
            self.lines[line.rrn].append(line)
        for row in opened:
            self.changes[row.original_rrn].append(row)
        self.moved, self.held = collections.Counter(), collections.Counter()
        for seen in self.simulation.witness.ledger:
            self.moved[seen.line.rrn] += seen.line.moved_minor
            self.held[seen.line.rrn] += seen.line.held_minor

    def _read(self, partition, audit, settlement):
        reader = JournalReader()
        for offset, landed in enumerate(
            self.simulation.log.partition("journal", partition).records
        ):
            record = None if landed is None else reader.feed(offset, landed.value)
            for batch in (audit, settlement) if record else ():
                batch.add(record, Place(partition, offset, reader.epoch))
            for event in record.events if record else ():
                if terms := getattr(event, "terms", None):
                    self.plans[event.rrn] = terms.fee_plan

    def family(self, rrn):
        """List a payment and all that changed it, and these."""
        further = [one for row in self.changes[rrn] for one in self.family(row.rrn)]
        return [self.payments[rrn], *further]

    def judge(self, rrn):
        changed_by = tuple(self.family(rrn)[1:])
        cases = tuple(case for case in self.cases if case.rrn == rrn)
        return Standing(payment=self.payments[rrn], changed_by=changed_by, cases=cases).judge()

    def sum_lines(self, rows):
        lines = [line for row in rows for line in self.lines[row.rrn]]
        return sum(line.gross_minor for line in lines), sum(line.fee_minor for line in lines)


@pytest.fixture(scope="module", params=range(4))
def history(request):
    plans = iter(PLANS * 10)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(world, "FeePlan", lambda **_: next(plans))
        return History(940_000 + request.param)


def test_what_settles_is_what_the_issuer_booked(history):
    assert sum(map(len, history.lines.values())) > 30
    for rrn, row in history.payments.items():
        if rrn not in history.in_doubt:
            assert history.sum_lines([row])[0] == history.moved[rrn], history.judge(rrn).line


def test_the_fee_that_is_left_is_that_of_the_money_that_is_left(history):
    for rrn, row in history.payments.items():
        family = history.family(rrn)
        gross, fee = history.sum_lines(family)
        if row.kind not in TAKING or not any(history.lines[one.rrn] for one in family):
            continue
        plan = history.plans[rrn]
        assert gross >= 0
        if not plan.is_returned_on_refund:
            refunds = [one for one in family if one.kind == "refund"]
            assert history.sum_lines(refunds)[1] == 0
        elif not gross:
            assert fee == 0
        elif not history.sum_lines(one for one in family if one.kind == ADJUSTMENT)[0]:
            assert fee == compute_fee(gross, plan)


def test_a_verdict_says_where_the_issuer_holds_the_money(history):
    seen = set()
    for rrn, row in history.payments.items():
        family = history.family(rrn)
        if row.kind not in {HOLD, *TAKING} or history.in_doubt & {one.rrn for one in family}:
            continue
        verdict = history.judge(rrn)
        money = sum(history.moved[one.rrn] for one in family)
        held = sum(history.held[one.rrn] for one in family)
        seen.add(verdict.money_state)
        assert (verdict.money_state == "debited") == (money > 0), verdict.line
        assert verdict.money_state in {"debited", "returned", "not-debited"}
        assert verdict.line.startswith("HELD") == (held > 0), verdict.line
    assert {"debited", "returned", "not-debited"} <= seen
