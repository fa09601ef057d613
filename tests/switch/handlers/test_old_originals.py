"""What was forgotten of a payment, and what still comes about it (docs/rules.md 2)."""

from tests.switch.handlers.test_partner_requests import Partner

DAY_MS = 86_400_000
HOUR_MS = 3_600_000


def test_a_payment_is_remembered_as_long_as_its_void_that_may_be_taken_back(world):
    partner = Partner(world)
    _, sale = partner.pay()
    world.jump(10 * HOUR_MS)
    _, void = partner.change("void", sale["rrn"])
    world.jump(7 * DAY_MS - 8 * HOUR_MS)
    partner.pay("another")  # by now the sale alone would be forgotten
    partner.change("reverse", void["rrn"], "reverse", code="")
    world.pass_ms(200)
    world.answer_of_issuer(void["rrn"], "00", kind="reversal")
    status, refund = partner.refund(sale["rrn"], 1_000)
    assert (status, refund["status"]) == (201, "approved")
