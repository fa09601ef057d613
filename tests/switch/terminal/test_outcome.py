"""Every end of an operation has its place on the receipt."""

from switch.terminal.operations import Operation
from switch.terminal.outcome import OutcomeKind, PosOutcome
from switch.terminal.receipt import explain


def test_every_kind_of_end_is_explained_for_every_operation() -> None:
    for kind in OutcomeKind:
        for operation in Operation:
            outcome = PosOutcome(
                operation=operation,
                kind=kind,
                terminal_id="t",
                merchant_id="m",
                batch="",
                stan="",
                amount_minor=0,
                currency="156",
                masked_pan="",
                at=0,
            )
            explanation = explain(outcome)
            assert explanation.happened.zh
            assert explanation.next_step.en
