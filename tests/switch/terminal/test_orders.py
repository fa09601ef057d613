"""What a cashier keys in hides the card and the PIN."""

from switch.terminal.operations import Operation
from switch.terminal.orders import PaymentOrder, SaleOrder

PAN = "6200000000000005"


def test_an_order_shows_neither_card_nor_pin() -> None:
    for order in (
        SaleOrder(amount_minor=100, pan=PAN, pin="123456"),
        PaymentOrder(operation=Operation.REFUND, amount_minor=100, pan=PAN, pin="123456"),
    ):
        for text in (repr(order), str(order), f"{order}"):
            assert PAN not in text
            assert "123456" not in text
            assert "62000000" in text


def test_a_sale_is_an_order_for_a_sale() -> None:
    assert SaleOrder(amount_minor=1, pan=PAN).operation is Operation.SALE
