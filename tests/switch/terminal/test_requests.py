"""What each message of a terminal says, element by element; where one is published, its bytes."""

from typing import Any

import pytest

from switch.codec import Message, load_dialect
from switch.domain.clock import Now
from switch.terminal.batch import BatchTotals
from switch.terminal.operations import PAYMENT_ROWS, Operation
from switch.terminal.orders import Original, PaymentOrder, SaleOrder
from switch.terminal.requests import RequestWriter, totals_parts
from switch.terminal.state import PosState

PAN = "6200000000000005"
PIK = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
NOW = Now(1_700_000_000_000, 0)
QUOTED = Original(
    rrn="010000000007",
    batch="000001",
    stan="000123",
    date="1115",
    authorization_id="A00007",
    mti="0200",
    transmission_time="1114221320",
)
QUOTING = [operation for operation, row in PAYMENT_ROWS.items() if row.originals]
PLAIN = [operation for operation, row in PAYMENT_ROWS.items() if not row.originals]


def make_state(profile: str = "unionpay-pos", **changes: Any) -> PosState:
    return PosState(
        **{
            "profile": profile,
            "terminal_id": "00000001",
            "merchant_id": "898110154110001",
            "pik": PIK,
            **changes,
        }
    )


def make(operation: Operation, state: PosState | None = None, **order: Any) -> dict[str, str]:
    original = QUOTED if PAYMENT_ROWS[operation].originals else None
    fields: dict[str, Any] = {
        "operation": operation,
        "pan": PAN,
        "amount_minor": 100,
        "original": original,
        **order,
    }
    writer = RequestWriter(state or make_state())
    return writer.make_payment(PaymentOrder(**fields), "000124", NOW).fields


def test_without_batches_a_sale_is_dated_in_utc_and_local_time(ascii_line: Any) -> None:
    asked = ascii_line.read(ascii_line.sale())
    assert asked.fields["transmission_time"] == "1114221320"
    assert (asked.fields["local_date"], asked.fields["local_time"]) == ("1115", "061320")
    assert "batch_data" not in asked.fields


def test_the_batch_of_a_payment_is_the_terminals_own() -> None:
    state = make_state(batch="000042")
    writer = RequestWriter(state)
    order = SaleOrder(amount_minor=1, pan=PAN)
    assert writer.make_payment(order, "000001", NOW).fields["batch_data"] == "2200004200050"
    state.batch = "000043"
    assert writer.make_payment(order, "000002", NOW).fields["batch_data"] == "2200004300050"


def test_the_merchant_type_is_sent_where_the_terminal_has_one() -> None:
    assert make(Operation.SALE, make_state(merchant_type="5411"))["merchant_type"] == "5411"


@pytest.mark.parametrize("operation", list(PAYMENT_ROWS))
def test_every_payment_has_the_codes_of_its_row_and_the_card(operation: Operation) -> None:
    row, fields = PAYMENT_ROWS[operation], make(operation)
    codes = row if row.processing_code else PAYMENT_ROWS[Operation.SALE]
    assert fields["processing_code"] == codes.processing_code
    assert fields["pos_condition_code"] == codes.pos_condition_code
    assert fields["batch_data"] == f"{codes.transaction_code}000001{row.network_code}50"
    assert (fields["pan"], fields["stan"]) == (PAN, "000124")
    assert ("amount_transaction" in fields) == row.has_amount


@pytest.mark.parametrize(
    ("operation", "marks"),
    [
        (Operation.VOID, {"rrn", "000001000123"}),
        (Operation.COMPLETION_VOID, {"rrn", "000001000123"}),
        (Operation.ADJUSTMENT, {"rrn", "000001000123"}),
        (Operation.TIP, {"rrn", "000001000123"}),
        (Operation.REFUND, {"rrn", "0000010001231115"}),
        (Operation.E_CASH_REFUND, {"rrn", "0000010001231115"}),
        (Operation.SCRIPT_NOTICE, {"rrn", "0000010001231115"}),
        (Operation.PRE_AUTHORIZATION_VOID, {"0000000000001115"}),
        (Operation.COMPLETION, {"0000000000001115"}),
        (Operation.COMPLETION_ADVICE, {"0000000000001115"}),
    ],
)
def test_each_quotes_its_original_as_its_row_says(operation: Operation, marks: set[str]) -> None:
    fields = make(operation)
    assert fields["authorization_id"] == "A00007"
    found = {fields["original_transaction"]} | {"rrn"} & fields.keys()
    assert found == marks


def test_every_quoting_row_is_tested_above() -> None:
    assert len(QUOTING) == 10


@pytest.mark.parametrize("operation", QUOTING)
def test_what_quotes_cannot_be_ordered_without_an_original(operation: Operation) -> None:
    with pytest.raises(ValueError, match="needs the payment"):
        make(operation, original=None)


@pytest.mark.parametrize("operation", PLAIN)
def test_what_quotes_nothing_has_no_marks(operation: Operation) -> None:
    assert not make(operation).keys() & {"rrn", "authorization_id", "original_transaction"}


@pytest.mark.parametrize("operation", QUOTING)
def test_without_batches_an_original_is_quoted_by_37_38_and_90(operation: Operation) -> None:
    if PAYMENT_ROWS[operation].needs_code:
        with pytest.raises(ValueError, match="has no message"):
            make(operation, make_state("iso1987-ascii"))
        return
    fields = make(operation, make_state("iso1987-ascii"))
    assert fields["rrn"] == "010000000007"
    assert fields["authorization_id"] == "A00007"
    assert fields["original_data_elements"] == "02000001231114221320" + "0" * 22
    assert "original_transaction" not in fields


def test_marks_that_are_not_known_are_zeros_or_left_out() -> None:
    fields = make(Operation.REFUND, original=Original(rrn="010000000007"))
    assert fields["original_transaction"] == "0" * 16
    assert "authorization_id" not in fields
    bare = make(Operation.REFUND, make_state("iso1987-ascii"), original=Original(rrn="0" * 12))
    assert "original_data_elements" not in bare


def test_an_offline_sale_may_have_been_authorized_by_telephone() -> None:
    fields = make(Operation.OFFLINE, authorization_id="T12345")
    assert fields["authorization_id"] == "T12345"
    assert fields["original_transaction"] == "000000000000000001"


def test_a_refund_names_the_cashier() -> None:
    assert make(Operation.REFUND, make_state(operator="7"))["private_63"] == "7  "


def test_a_pin_makes_the_published_block_and_is_in_no_element() -> None:
    order = SaleOrder(amount_minor=100, pan=PAN, pin="123456")
    sale = RequestWriter(make_state()).make_payment(order, "000124", NOW)
    assert sale.binary["pin_block"].hex().upper() == "1774D84E2E217BD6"
    assert sale.fields["pos_entry_mode"] == "011"
    assert sale.fields["pin_capture_code"] == "12"
    assert sale.fields["security_control"] == "2600000000000000"
    assert "123456" not in "|".join(sale.fields.values())


@pytest.mark.parametrize(
    ("changes", "security_control"),
    [
        ({"pik": PIK[:8], "key_scheme": "001"}, "2000000000000000"),
        ({"pin_format": "iso-2"}, "1600000000000000"),
    ],
)
def test_element_53_says_how_the_pin_is_encrypted(
    changes: dict[str, Any], security_control: str
) -> None:
    fields = make(Operation.SALE, make_state(**changes), pin="1234")
    assert fields["security_control"] == security_control


@pytest.mark.parametrize(
    ("changes", "pin", "why"),
    [
        ({"pik": b""}, "1234", "no PIN key"),
        ({"key_scheme": "006"}, "1234", "does not fit DE 52"),
        ({}, "123", "4 to 12 digits"),
    ],
)
def test_a_pin_that_cannot_be_sent_is_refused_without_telling_it(
    changes: dict[str, Any], pin: str, why: str
) -> None:
    writer = RequestWriter(make_state(**changes))
    with pytest.raises(ValueError, match=why) as caught:
        writer.check(SaleOrder(amount_minor=1, pan=PAN, pin=pin))
    assert pin not in str(caught.value).replace("4 to 12", "")


def test_a_reversal_has_no_pin_no_cashier_and_not_the_rrn_that_was_quoted() -> None:
    writer = RequestWriter(make_state())
    order = PaymentOrder(
        operation=Operation.VOID,
        pan=PAN,
        amount_minor=100,
        original=QUOTED,
        pin="123456",
        icc_data=bytes.fromhex("9F3602000A"),
    )
    void = writer.make_payment(order, "000124", NOW)
    fields = writer.make_reversal(void, NOW)
    assert fields.keys() == {
        *("pan", "processing_code", "amount_transaction", "stan", "pos_entry_mode"),
        *("pos_condition_code", "terminal_id", "merchant_id", "currency", "batch_data"),
        *("response_code", "authorization_id", "original_transaction", "icc_data"),
    }


def test_a_sign_on_is_the_published_message() -> None:
    state = make_state(
        terminal_id="88888888",
        merchant_id="100000000000001",
        tmk=bytes(16),
        serial_number="153135320-017-687",
        operator="01",
    )
    asked = RequestWriter(state).make_sign_on("000027", state.key_scheme)
    wire = load_dialect("unionpay-pos").encode(Message(asked.mti, {**asked.fields}))
    assert wire.hex().upper() == (
        "08000020000000C00016000027383838383838383831303030303030303030303030303100110000000100300"
        "02853657175656E6365204E6F3135333133353332302D3031372D3638370003303120"
    )


@pytest.mark.parametrize("scheme", ["001", "003", "004", "006"])
def test_a_sign_on_names_the_scheme_of_its_keys(scheme: str) -> None:
    state = make_state(tmk=bytes(16), key_scheme=scheme)
    assert (
        RequestWriter(state).make_sign_on("000001", scheme).fields["batch_data"]
        == f"00000001{scheme}"
    )


def test_sign_off_and_echo_are_told_apart_by_their_code() -> None:
    writer = RequestWriter(make_state())
    assert writer.make_sign_off("000001").fields["batch_data"] == "00000001002"
    assert writer.make_echo("000001", NOW).fields["batch_data"] == "00000001301"
    plain = RequestWriter(make_state("iso1987-ascii")).make_echo("000001", NOW)
    assert (plain.mti, plain.fields["network_code"]) == ("0800", "301")


def test_totals_are_the_published_value() -> None:
    asked = RequestWriter(make_state()).make_batch_totals(
        BatchTotals(12_500, 2, 2_500, 1), "000001"
    )
    assert asked.mti == "0500"
    assert not asked.has_mac
    assert asked.fields["additional_data_private"] == (
        "00000001250000200000000250000100000000000000000000000000000000"
    )
    assert asked.fields["batch_data"] == "00000001201"


def test_totals_count_no_foreign_cards() -> None:
    parts = totals_parts(BatchTotals(1, 1, 2, 2))
    assert {parts[name] for name in parts if name.startswith("foreign")} == {"0" * 12, "000", "0"}


def test_totals_beyond_their_digits_are_all_nines_as_the_switch_writes_its_own() -> None:
    parts = totals_parts(BatchTotals(10**12, 1_000, 10**12, 1_000))
    assert (parts["debit_amount"], parts["debit_count"]) == ("9" * 12, "999")
    assert (parts["credit_amount"], parts["credit_count"]) == ("9" * 12, "999")
    writer = RequestWriter(make_state())
    assert writer.make_batch_totals(BatchTotals(10**12, 1_000), "000001").mti == "0500"


def test_an_upload_lists_its_payments_and_its_end_counts_them() -> None:
    writer = RequestWriter(make_state())
    item = {"card_kind": "00", "item_stan": "000123", "item_pan": PAN, "item_amount": "100"}
    asked = writer.make_upload_list([item], "000200")
    assert (asked.mti, asked.has_mac) == ("0320", True)
    assert asked.fields["additional_data_private"] == f"0100000123{PAN:0>20}{100:012d}"
    for is_balanced, code in ((True, "207"), (False, "202")):
        end = writer.make_upload_end(17, "000201", is_balanced=is_balanced)
        assert end.fields["additional_data_private"] == "0017"
        assert end.fields["batch_data"] == f"00000001{code}"
