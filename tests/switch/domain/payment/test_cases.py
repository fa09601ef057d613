from switch.domain.payment.cases import open_case


def test_a_case_names_its_payment_and_whose_it_is(routed):
    case = open_case(routed, "reversal-poisoned", 5, "told")
    assert (case.case_id, case.kind, case.at) == (
        "reversal-poisoned-010000000007",
        "reversal-poisoned",
        5,
    )
    assert (case.rrn, case.acquirer, case.merchant_id, case.terminal_id) == (
        routed.rrn,
        "demo",
        "898110154110001",
        "00000001",
    )


def test_the_same_finding_about_a_payment_has_the_same_id_whenever_it_is_made(routed):
    assert open_case(routed, "k", 1, "a").case_id == open_case(routed, "k", 2, "b").case_id
