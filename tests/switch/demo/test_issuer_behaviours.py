"""The table of amounts."""

from switch.demo.issuer_behaviours import (
    ADVICE,
    AMOUNT_RULES,
    KINDS,
    REQUEST,
    REVERSAL,
    UNANSWERED_INQUIRY_PAN,
    VOID,
    Behaviour,
    find_inquiry_rule,
    find_rule,
)


def test_most_amounts_are_approved() -> None:
    for kind in KINDS:
        assert find_rule(kind, 1234) is None


def test_the_ending_or_the_whole_amount_chooses() -> None:
    for minor in (51, 151, 999_951):
        rule = find_rule(REQUEST, minor)
        assert rule is not None
        assert rule.response_code == "51"
    assert find_rule(REVERSAL, 6_666) is not None
    assert find_rule(REVERSAL, 16_666) is None


def test_98_is_silence_for_a_request_and_patience_for_an_advice() -> None:
    behaviours = [
        rule.behaviour for kind in (REQUEST, VOID, ADVICE) if (rule := find_rule(kind, 98))
    ]
    assert behaviours == [Behaviour.SILENT, Behaviour.SILENT, Behaviour.IGNORE]


def test_what_only_voids_obey_lets_the_sale_through() -> None:
    for ending in (85, 87, 88):
        assert find_rule(VOID, ending) is not None
        assert find_rule(REQUEST, ending) is None
        assert find_rule(ADVICE, ending) is None


def test_each_row_tells_people_what_it_does_and_has_what_its_behaviour_needs() -> None:
    for rule in AMOUNT_RULES:
        assert rule.words
        assert set(rule.kinds) <= set(KINDS)
        assert bool(rule.response_code) == (rule.behaviour is Behaviour.DECLINE)
        assert bool(rule.ignored_count) == (rule.behaviour is Behaviour.IGNORE)


def test_of_balance_inquiries_a_card_chooses() -> None:
    assert find_inquiry_rule("6200000000000005") is None
    rule = find_inquiry_rule(UNANSWERED_INQUIRY_PAN)
    assert rule is not None
    assert rule.behaviour is Behaviour.SILENT
