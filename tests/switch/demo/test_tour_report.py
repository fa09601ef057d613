import pytest

from switch.demo.tour_ledger import NO_DEBIT, ONE_DEBIT
from switch.demo.tour_report import StepReport


@pytest.mark.parametrize(
    ("verdict", "complaints", "want"),
    [(ONE_DEBIT, (), True), (NO_DEBIT, (), False), (ONE_DEBIT, ("odd",), False)],
)
def test_a_step_is_good_only_with_its_own_verdict_and_without_complaint(verdict, complaints, want):
    step = StepReport(
        number=1,
        title_en="t",
        title_zh="t",
        story=(),
        rrn="r",
        outcomes=(),
        receipt="",
        journal=(),
        ledger=(),
        verdict=verdict,
        expected=ONE_DEBIT,
        complaints=complaints,
        seconds=0,
    )
    assert step.is_good is want
