"""What a POS says and hears: sales, repeats, reversals, and the answers to them."""

import datetime as dt
from typing import Final

import msgspec

from switch.codec import Message, Value
from switch.codec.framing import frame_bytes
from switch.codec.mti import response_mti
from switch.codec.tpdu import split_transport
from switch.domain.card import bin_of
from switch.domain.clock import Now
from switch.security.mac import MacKey
from switch.terminal.profile import PROFILES, PosProfile
from switch.terminal.state import PosState, SentPayment

SALE_CODE: Final = "22"  # DE 60.1
REVERSAL_MTI: Final = "0400"
APPROVED_CODES: Final = frozenset({"00", "10", "11", "A2", "A4", "A5", "A6"})
# What a switch answers without a MAC, because it could not know the terminal's key or message
# (docs/rules.md 6); nothing was debited then.
UNPROVEN_CODES: Final = frozenset({"30", "97", "A0"})
_REASON_AT: Final = 3  # DE 63: card organisation, then the reason
_NETWORK_CODE: Final = "000"
_READ_CAPABILITY: Final = "5"
_IC_CONDITION: Final = "0"
_LOCAL_ZONE: Final = dt.timezone(dt.timedelta(hours=8))
_NO_INSTITUTION: Final = "0" * 11
_NOT_IN_REVERSAL: Final = frozenset(
    {"expiration_date", "local_time", "local_date", "transmission_time"}
)


class SaleOrder(msgspec.Struct, frozen=True, kw_only=True):
    """What the cashier keyed in; `expiration_date` is YYMM."""

    amount_minor: int
    pan: str
    expiration_date: str = ""
    currency: str = "156"
    pos_entry_mode: str = "012"
    pos_condition_code: str = "00"

    def __repr__(self) -> str:
        """Hide the card."""
        return f"SaleOrder({self.amount_minor!r}, BIN {bin_of(self.pan)}, <hidden>)"

    __str__ = __repr__


class AnswerRead(msgspec.Struct, frozen=True, kw_only=True):
    """
    An answer to this terminal, taken apart.

    `is_proven` says that its MAC was right (or that the profile has none); `has_mac` that it
    carried one at all.
    """

    mti: str
    stan: str
    terminal_id: str
    response_code: str
    is_proven: bool
    has_mac: bool
    rrn: str = ""
    authorization_id: str = ""
    settlement_date: str = ""
    amount_minor: int | None = None
    card_organisation: str = ""
    reason: str = ""
    detail: str = ""
    processing_requirement: int = 0


class PosVoice:
    """Builds and reads the frames of one terminal; keeps its MAC key ready."""

    __slots__ = ("_batch", "_batch_value", "_dialect", "_mac_key", "_profile", "_state")

    def __init__(self, state: PosState) -> None:
        """
        Prepare for a terminal.

        Raises:
            KeyError: no such profile.
            ValueError: the MAC key does not fit the algorithm.
        """
        self._state = state
        self._profile: PosProfile = PROFILES[state.profile]
        self._dialect = self._profile.dialect
        self._mac_key = MacKey(state.mac_algorithm, state.mak) if state.mak else None
        self._batch = ""
        self._batch_value = ""

    def make_sale(self, order: SaleOrder, stan: str, now: Now) -> SentPayment:
        """
        Put a sale together; the reversal that it may come to owe is part of it (reason 98).

        It is to be saved before `frame_payment` of it is sent.
        """
        state = self._state
        fields = {
            "pan": order.pan,
            "processing_code": "000000",
            "amount_transaction": f"{order.amount_minor:012d}",
            "stan": stan,
            "pos_entry_mode": order.pos_entry_mode,
            "pos_condition_code": order.pos_condition_code,
            "terminal_id": state.terminal_id,
            "merchant_id": state.merchant_id,
            "currency": order.currency,
        }
        if order.expiration_date:
            fields["expiration_date"] = order.expiration_date
        if state.merchant_type:
            fields["merchant_type"] = state.merchant_type
        if self._profile.has_batch:
            fields["batch_data"] = self._batch_data()
        else:
            fields.update(_dates(now))
        return SentPayment(mti="0200", fields=fields, owed_reason="98")

    def frame_payment(self, payment: SentPayment, *, as_repeat: bool = False) -> bytes:
        """Write the frame of a payment: the same bytes each time, or marked as a repeat (0201)."""
        mti = payment.mti[:3] + "1" if as_repeat else payment.mti
        return self._frame(mti, dict(payment.fields))

    def frame_reversal(self, payment: SentPayment, now: Now) -> bytes:
        """Write the frame of the reversal that a payment owes."""
        fields: dict[str, Value] = {
            name: value for name, value in payment.fields.items() if name not in _NOT_IN_REVERSAL
        }
        fields["response_code"] = payment.owed_reason
        if not self._profile.has_batch:
            original = payment.fields
            fields.update(_dates(now))
            # the day is part of the key where there is no batch: a repeat must keep the first's
            fields["local_date"] = original["local_date"]
            fields["stan"] = payment.reversal_stan
            fields["original_data_elements"] = (
                f"{payment.mti}{original['stan']}{original['transmission_time']}"
                f"{_NO_INSTITUTION}{_NO_INSTITUTION}"
            )
        return self._frame(REVERSAL_MTI, fields)

    def read_answer(self, frame: bytes) -> AnswerRead:
        """
        Take an answer apart and check its MAC.

        Raises:
            CodecError: it cannot be read.
        """
        requirement = 0
        if self._profile.has_transport:
            transport = split_transport(frame)
            requirement = transport.header[2] & 0x0F
            frame = transport.message
        message = self._dialect.decode(frame)
        fields = message.fields
        mac = fields.get("mac")
        if self._mac_key is None:
            is_proven = True
        else:
            mab = frame[: -self._dialect.mac_length]
            is_proven = isinstance(mac, bytes) and self._mac_key.verify(mab, mac)
        remark = str(fields.get("private_63", ""))
        reason, _, detail = remark[_REASON_AT:].partition(": ")
        amount = fields.get("amount_transaction")
        return AnswerRead(
            mti=message.mti,
            stan=str(fields.get("stan", "")),
            terminal_id=str(fields.get("terminal_id", "")),
            response_code=str(fields.get("response_code", "")),
            is_proven=is_proven,
            has_mac=mac is not None,
            rrn=str(fields.get("rrn", "")),
            authorization_id=str(fields.get("authorization_id", "")).strip(),
            settlement_date=str(fields.get("settlement_date", "")),
            amount_minor=int(str(amount)) if amount else None,
            card_organisation=remark[:_REASON_AT].strip(),
            reason=reason.strip(),
            detail=detail.strip(),
            processing_requirement=requirement,
        )

    def _frame(self, mti: str, fields: dict[str, Value]) -> bytes:
        dialect = self._dialect
        if self._mac_key is not None:
            fields["mac"] = bytes(8)
            wire = dialect.encode(Message(mti, fields))
            mab = wire[: -dialect.mac_length]
            mac = self._mac_key.compute(mab)
            wire = mab + (mac if len(mac) == dialect.mac_length else mac.hex().upper().encode())
        else:
            wire = dialect.encode(Message(mti, fields))
        if self._profile.has_transport:
            wire = self._state.tpdu + self._state.header + wire
        return frame_bytes(self._profile.prefix, wire)

    def _batch_data(self) -> str:
        if self._batch != self._state.batch:
            self._batch = self._state.batch
            self._batch_value = self._dialect.join(
                "batch_data",
                {
                    "transaction_code": SALE_CODE,
                    "batch": self._state.batch,
                    "network_code": _NETWORK_CODE,
                    "read_capability": _READ_CAPABILITY,
                    "ic_condition": _IC_CONDITION,
                },
            )
        return self._batch_value


def is_answer_to(answer: AnswerRead, mti: str, stan: str, terminal_id: str) -> bool:
    """Tell whether an answer is the one to this message; others are passed over."""
    return (answer.mti, answer.stan, answer.terminal_id) == (response_mti(mti), stan, terminal_id)


def _dates(now: Now) -> dict[str, str]:
    moment = dt.datetime.fromtimestamp(now.wall_ms // 1000, dt.UTC)
    local = moment.astimezone(_LOCAL_ZONE)
    return {
        "transmission_time": moment.strftime("%m%d%H%M%S"),
        "local_time": local.strftime("%H%M%S"),
        "local_date": local.strftime("%m%d"),
    }
