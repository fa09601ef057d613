"""What a terminal asks, element by element; `messages.py` makes bytes of it."""

import datetime as dt
from collections.abc import Sequence
from typing import Final, NamedTuple

from switch.codec import Value
from switch.domain.clock import Now
from switch.security.pin_block import PinFault, PinFormat, PinKey, encrypt_pin_block
from switch.terminal.batch import SIDE_COUNT_MAX, SIDE_MINOR_MAX, BatchTotals
from switch.terminal.operations import (
    BATCH_TOTALS,
    ECHO,
    PAYMENT_ROWS,
    PLAIN_ECHO,
    SIGN_OFF,
    SIGN_ON_MTI,
    UPLOAD_END_BALANCED,
    UPLOAD_END_UNBALANCED,
    UPLOAD_LIST,
    ManagementRow,
    Operation,
    PaymentRow,
    Quotes,
)
from switch.terminal.orders import Original, PaymentOrder
from switch.terminal.profile import PROFILES
from switch.terminal.state import PosState, SentPayment

REVERSAL_MTI: Final = "0400"
NO_ANSWER: Final = "98"
SINGLE_KEY_BYTES: Final = 8
_READ_CAPABILITY: Final = "5"
_IC_CONDITION: Final = "0"
_MANAGEMENT_CODE: Final = "00"
_BY_TELEPHONE: Final = "01"
_PIN_DIGITS_MAX: Final = "12"
_LOCAL_ZONE: Final = dt.timezone(dt.timedelta(hours=8))
_NO_INSTITUTION: Final = "0" * 11
_CURRENCY: Final = "156"
_NOT_IN_REVERSAL: Final = frozenset(
    {
        "expiration_date",
        "local_time",
        "local_date",
        "transmission_time",
        "pin_capture_code",
        "rrn",
        "security_control",
        "private_63",
    }
)


class ManagementMessage(NamedTuple):
    """A message of the terminal itself, without its MAC."""

    mti: str
    fields: dict[str, str]
    has_mac: bool = False


class RequestWriter:
    """Puts the messages of one terminal together from its state and a cashier's order."""

    __slots__ = ("_batch", "_batch_values", "_dialect", "_has_batch", "_state")

    def __init__(self, state: PosState) -> None:
        """
        Prepare for a terminal.

        Raises:
            KeyError: no such profile.
        """
        profile = PROFILES[state.profile]
        self._state = state
        self._dialect = profile.dialect
        self._has_batch = profile.has_batch
        self._batch = ""
        self._batch_values: dict[tuple[str, str], str] = {}

    # -- payments

    def make_payment(self, order: PaymentOrder, stan: str, now: Now) -> SentPayment:
        """
        Put a payment together; what it may come to owe is part of it: a reversal, or a repeat.

        It is to be saved before its frame is sent.

        Raises:
            ValueError: the dialect or the keys do not allow it, or what it must quote is missing.
        """
        row, key = self._find_rows(order)
        state = self._state
        fields = {
            "pan": order.pan,
            "processing_code": key.processing_code,
            "amount_transaction": f"{order.amount_minor:012d}",
            "stan": stan,
            "pos_entry_mode": order.pos_entry_mode,
            "pos_condition_code": key.pos_condition_code,
            "terminal_id": state.terminal_id,
            "merchant_id": state.merchant_id,
            "currency": order.currency,
        }
        if not row.has_amount:
            del fields["amount_transaction"]
        if order.expiration_date:
            fields["expiration_date"] = order.expiration_date
        if state.merchant_type:
            fields["merchant_type"] = state.merchant_type
        if self._has_batch:
            fields["batch_data"] = self._batch_data(key.transaction_code, row.network_code)
        else:
            fields.update(_dates(now))
        binary: dict[str, bytes] = {}
        if order.operation is not Operation.SALE:
            self._add_marks(fields, order, row)
        if order.icc_data:
            binary["icc_data"] = order.icc_data
        if order.pin:
            binary["pin_block"] = self._add_pin(fields, order)
        return SentPayment(
            mti=row.mti,
            fields=fields,
            binary=binary,
            operation=order.operation,
            batch=state.batch if self._has_batch else "",
            original_rrn=order.original.rrn if order.original else "",
            owed_reason=NO_ANSWER if row.is_reversed else "",
            owes_repeat=row.is_resent,
        )

    def check(self, order: PaymentOrder) -> None:
        """
        Refuse an order that no message could be made of.

        Raises:
            ValueError: says why.
        """
        self._find_rows(order)
        if order.pin:
            self._add_pin({}, order)

    def _find_rows(self, order: PaymentOrder) -> tuple[PaymentRow, PaymentRow]:
        """Find the row of an order, and the row that gives its codes: perhaps its original's."""
        row = PAYMENT_ROWS.get(order.operation)
        if row is None or (row.needs_code and not self._has_batch):
            raise ValueError(f"{self._dialect.name} has no message for {order.operation.value}")
        if row.quotes is Quotes.NOTHING:
            return row, row
        if order.original is None:
            raise ValueError(f"a {order.operation.value} needs the payment that it concerns")
        return row, row if row.processing_code else PAYMENT_ROWS[order.original.operation]

    def _add_marks(self, fields: dict[str, str], order: PaymentOrder, row: PaymentRow) -> None:
        if order.original is not None and row.quotes is not Quotes.NOTHING:
            if self._has_batch:
                self._quote_by_batch(fields, order.original, row.quotes)
            else:
                _quote_by_elements(fields, order.original)
        elif order.authorization_id:
            fields["authorization_id"] = order.authorization_id
            if self._has_batch:
                fields["original_transaction"] = self._join_original(
                    Original(), {"original_date": "0000", "authorization_mode": _BY_TELEPHONE}
                )
        if order.operation is Operation.REFUND and self._has_batch:
            fields["private_63"] = self._operator()

    def _quote_by_batch(self, fields: dict[str, str], original: Original, quotes: Quotes) -> None:
        if original.authorization_id:
            fields["authorization_id"] = original.authorization_id
        date = {"original_date": original.date or "0000"}
        if quotes is Quotes.AUTHORIZATION:
            fields["original_transaction"] = self._join_original(Original(), date)
            return
        if original.rrn:
            fields["rrn"] = original.rrn
        is_dated = quotes is Quotes.DATED_PAYMENT
        fields["original_transaction"] = self._join_original(original, date if is_dated else {})

    def _join_original(self, original: Original, more: dict[str, str]) -> str:
        """Write DE 61; what is not known, or not asked for, is zeros."""
        return self._dialect.join(
            "original_transaction",
            {
                "original_batch": original.batch.rjust(6, "0"),
                "original_stan": original.stan.rjust(6, "0"),
                **more,
            },
        )

    def _add_pin(self, fields: dict[str, str], order: PaymentOrder) -> bytes:
        """
        Encrypt the PIN and say how; the third digit of DE 22 says that there is one.

        Raises:
            ValueError: no key for it, none that DE 52 has room for, or no PIN.
        """
        state = self._state
        if not state.pik:
            raise ValueError("the terminal has no PIN key; sign on first")
        key = PinKey("sm4" if state.key_scheme == "006" else "des", state.pik)
        if key.block_bytes != self._dialect.specs["pin_block"].length:
            raise ValueError(f"a PIN block under {key.cipher} does not fit DE 52 pin_block")
        form = PinFormat(state.pin_format)
        fields["pos_entry_mode"] = order.pos_entry_mode[:2] + "1"
        fields["pin_capture_code"] = _PIN_DIGITS_MAX
        has_pan, is_triple = form is PinFormat.ISO_0, len(state.pik) > SINGLE_KEY_BYTES
        fields["security_control"] = f"{2 if has_pan else 1}{6 if is_triple else 0}".ljust(16, "0")
        try:
            return encrypt_pin_block(order.pin, key=key, pin_format=form, pan=order.pan)
        except PinFault as error:
            raise ValueError(str(error)) from error

    def make_reversal(self, payment: SentPayment, now: Now) -> dict[str, Value]:
        """Put the reversal together that a payment owes: no track, no PIN, no quoted RRN."""
        fields: dict[str, Value] = {
            name: value for name, value in payment.fields.items() if name not in _NOT_IN_REVERSAL
        }
        if payment.binary:
            fields |= without_pin(payment.binary)
        fields["response_code"] = payment.owed_reason
        if not self._has_batch:
            original = payment.fields
            fields.update(_dates(now))
            # the day is part of the key where there is no batch: a repeat must keep the first's
            fields["local_date"] = original["local_date"]
            fields["stan"] = payment.reversal_stan
            fields["original_data_elements"] = _join_elements(
                payment.mti, original["stan"], original["transmission_time"]
            )
        return fields

    # -- the terminal itself; all but the echo only where batches are (`Management.check`)

    def make_sign_on(self, stan: str, scheme: str) -> ManagementMessage:
        """Ask for working keys of a scheme (DE 60.3)."""
        state = self._state
        more = {"private_63": self._operator()}
        if state.serial_number:
            device = {"sequence_label": "Sequence No", "serial_number": state.serial_number}
            more["private_62"] = self._dialect.join("device_sequence", device)
        return self._manage(ManagementRow(SIGN_ON_MTI, scheme), stan, more)

    def make_sign_off(self, stan: str) -> ManagementMessage:
        """Give the working keys up."""
        return self._manage(SIGN_OFF, stan, {})

    def make_echo(self, stan: str, now: Now) -> ManagementMessage:
        """Ask whether the switch is there."""
        if self._has_batch:
            return self._manage(ECHO, stan, {})
        fields = self._identity(stan) | _dates(now) | {"network_code": PLAIN_ECHO.network_code}
        return ManagementMessage(PLAIN_ECHO.mti, fields)

    def make_batch_totals(self, totals: BatchTotals, stan: str) -> ManagementMessage:
        """Ask whether the switch counts the same in this batch."""
        text = self._dialect.join("additional_data_private", totals_parts(totals))
        more = {
            "additional_data_private": text,
            "currency": _CURRENCY,
            "private_63": self._operator(),
        }
        return self._manage(BATCH_TOTALS, stan, more)

    def make_upload_list(self, items: Sequence[dict[str, str]], stan: str) -> ManagementMessage:
        """Send the switch up to eight of the batch's payments."""
        head = {"item_count": str(len(items))}
        text = self._dialect.join_groups("upload_list", head, items)
        return self._manage(UPLOAD_LIST, stan, {"additional_data_private": text})

    def make_upload_end(self, count: int, stan: str, *, is_balanced: bool) -> ManagementMessage:
        """Say that the upload is complete, and how many payments it had."""
        text = self._dialect.join("upload_end", {"upload_count": str(count)})
        row = UPLOAD_END_BALANCED if is_balanced else UPLOAD_END_UNBALANCED
        return self._manage(row, stan, {"additional_data_private": text})

    def _manage(self, row: ManagementRow, stan: str, more: dict[str, str]) -> ManagementMessage:
        fields = self._identity(stan)
        fields["batch_data"] = self._dialect.join(
            "batch_data",
            {
                "transaction_code": _MANAGEMENT_CODE,
                "batch": self._state.batch,
                "network_code": row.network_code,
            },
        )
        return ManagementMessage(row.mti, fields | more, row.has_mac)

    def _identity(self, stan: str) -> dict[str, str]:
        state = self._state
        return {
            "stan": stan,
            "terminal_id": state.terminal_id,
            "merchant_id": state.merchant_id,
        }

    def _operator(self) -> str:
        return self._dialect.join("operator", {"operator_code": self._state.operator})

    def _batch_data(self, transaction_code: str, network_code: str) -> str:
        """Write DE 60 of a payment; it is the same for the whole batch."""
        if self._batch != self._state.batch:
            self._batch = self._state.batch
            self._batch_values.clear()
        key = (transaction_code, network_code)
        value = self._batch_values.get(key)
        if value is None:
            value = self._batch_values[key] = self._dialect.join(
                "batch_data",
                {
                    "transaction_code": transaction_code,
                    "batch": self._batch,
                    "network_code": network_code,
                    "read_capability": _READ_CAPABILITY,
                    "ic_condition": _IC_CONDITION,
                },
            )
        return value


def without_pin(binary: dict[str, bytes]) -> dict[str, bytes]:
    """Take the PIN block out of what a message had in bytes."""
    return {name: value for name, value in binary.items() if name != "pin_block"}


def totals_parts(totals: BatchTotals) -> dict[str, str]:
    """
    Write totals as the parts of DE 48: domestic cards, then no foreign ones; flags 0.

    What its digits cannot hold is written as all nines, as the switch writes its own.
    """
    return {
        "debit_amount": f"{min(totals.debit_minor, SIDE_MINOR_MAX):012d}",
        "debit_count": f"{min(totals.debit_count, SIDE_COUNT_MAX):03d}",
        "credit_amount": f"{min(totals.credit_minor, SIDE_MINOR_MAX):012d}",
        "credit_count": f"{min(totals.credit_count, SIDE_COUNT_MAX):03d}",
        "balance_flag": "0",
        "foreign_debit_amount": "0" * 12,
        "foreign_debit_count": "000",
        "foreign_credit_amount": "0" * 12,
        "foreign_credit_count": "000",
        "foreign_balance_flag": "0",
    }


def _quote_by_elements(fields: dict[str, str], original: Original) -> None:
    """Quote by DE 37, 38 and 90, as far as the marks are known."""
    if original.rrn:
        fields["rrn"] = original.rrn
    if original.authorization_id:
        fields["authorization_id"] = original.authorization_id
    if original.stan and original.mti and original.transmission_time:
        fields["original_data_elements"] = _join_elements(
            original.mti, original.stan, original.transmission_time
        )


def _join_elements(mti: str, stan: str, transmission_time: str) -> str:
    return f"{mti}{stan}{transmission_time}{_NO_INSTITUTION}{_NO_INSTITUTION}"


def _dates(now: Now) -> dict[str, str]:
    moment = dt.datetime.fromtimestamp(now.wall_ms // 1000, dt.UTC)
    local = moment.astimezone(_LOCAL_ZONE)
    return {
        "transmission_time": moment.strftime("%m%d%H%M%S"),
        "local_time": local.strftime("%H%M%S"),
        "local_date": local.strftime("%m%d"),
    }


def local_date(now: Now) -> str:
    """Say which day it is at the terminal (MMDD)."""
    return _dates(now)["local_date"]
