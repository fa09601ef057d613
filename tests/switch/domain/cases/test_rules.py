from switch.domain.cases.rules import CaseRules
from switch.domain.payment.rules import DecisionRules


def test_a_decision_knows_the_rules_of_cases():
    rules = DecisionRules(cases=CaseRules(second_person_over_minor=5))
    assert rules.cases.second_person_over_minor == 5
    assert DecisionRules().cases == CaseRules()


def test_what_is_asked_again_within_a_week_is_known():
    assert CaseRules().memory_ms == 7 * 86_400_000
