"""The bytes of what a POS says and hears: frames with their MACs, answers taken apart."""

from typing import Final

import msgspec

from switch.codec import CodecError, Dialect, Message, Value
from switch.codec.framing import frame_bytes
from switch.codec.mti import response_mti
from switch.codec.tpdu import split_transport
from switch.domain.clock import Now
from switch.security.mac import MacKey
from switch.terminal.operations import UNPROVEN_CLASSES
from switch.terminal.outcome import Balance
from switch.terminal.profile import PROFILES, PosProfile
from switch.terminal.requests import REVERSAL_MTI, ManagementMessage, RequestWriter
from switch.terminal.state import PosState, SentPayment

APPROVED_CODES: Final = frozenset({"00", "10", "11", "A2", "A4", "A5", "A6"})
# What a switch answers without a MAC, because it could not know the terminal's key or message
# (docs/rules.md 6); nothing was debited then.
UNPROVEN_CODES: Final = frozenset({"30", "97", "A0"})
_REASON_AT: Final = 3  # DE 63: card organisation, then the reason


class AnswerRead(msgspec.Struct, frozen=True, kw_only=True):
    """
    An answer to this terminal, taken apart.

    `is_proven` says that its MAC was right (or that the profile has none); `has_mac` that it
    carried one at all.
    """

    message: Message
    stan: str
    terminal_id: str
    response_code: str
    is_proven: bool
    has_mac: bool
    rrn: str = ""
    authorization_id: str = ""
    settlement_date: str = ""
    local_date: str = ""
    amount_minor: int | None = None
    card_organisation: str = ""
    reason: str = ""
    detail: str = ""
    processing_requirement: int = 0


class PosVoice:
    """Writes and reads the frames of one terminal; keeps its MAC key ready."""

    __slots__ = ("_dialect", "_mac_key", "_profile", "_state", "_writer")

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
        self._writer = RequestWriter(state)
        self._mac_key: MacKey | None = None
        self.take_key(state.mak)

    @property
    def writer(self) -> RequestWriter:
        """What puts the messages together that this voice says."""
        return self._writer

    def take_key(self, mak: bytes) -> None:
        """
        Prove messages with this key from now on; empty: with none.

        Raises:
            ValueError: it does not fit the terminal's algorithm; the key in use stays.
        """
        self._mac_key = MacKey(self._state.mac_algorithm, mak) if mak else None

    def frame_payment(self, payment: SentPayment, *, as_repeat: bool = False) -> bytes:
        """Write the frame of a payment: the same bytes each time, or marked as a repeat (0201)."""
        mti = payment.mti[:3] + "1" if as_repeat else payment.mti
        fields: dict[str, Value] = {**payment.fields, **payment.binary}
        return self._frame(mti, fields, has_mac=True)

    def frame_reversal(self, payment: SentPayment, now: Now) -> bytes:
        """Write the frame of the reversal that a payment owes."""
        return self._frame(REVERSAL_MTI, self._writer.make_reversal(payment, now), has_mac=True)

    def frame_management(self, message: ManagementMessage) -> bytes:
        """Write the frame of a message about the terminal itself."""
        return self._frame(message.mti, {**message.fields}, has_mac=message.has_mac)

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
        if self._mac_key is None or (mac is None and message.mti[1] in UNPROVEN_CLASSES):
            is_proven = True
        else:
            mab = frame[: -self._dialect.mac_length]
            is_proven = isinstance(mac, bytes) and self._mac_key.verify(mab, mac)
        remark = str(fields.get("private_63", ""))
        reason, _, detail = remark[_REASON_AT:].partition(": ")
        amount = fields.get("amount_transaction")
        return AnswerRead(
            message=message,
            stan=str(fields.get("stan", "")),
            terminal_id=str(fields.get("terminal_id", "")),
            response_code=str(fields.get("response_code", "")),
            is_proven=is_proven,
            has_mac=mac is not None,
            rrn=str(fields.get("rrn", "")),
            authorization_id=str(fields.get("authorization_id", "")).strip(),
            settlement_date=str(fields.get("settlement_date", "")),
            local_date=str(fields.get("local_date", "")),
            amount_minor=int(str(amount)) if amount else None,
            card_organisation=remark[:_REASON_AT].strip(),
            reason=reason.strip(),
            detail=detail.strip(),
            processing_requirement=requirement,
        )

    def _frame(self, mti: str, fields: dict[str, Value], *, has_mac: bool) -> bytes:
        dialect = self._dialect
        if self._mac_key is not None and has_mac:
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


def is_answer_to(answer: AnswerRead, mti: str, stan: str, terminal_id: str) -> bool:
    """
    Tell whether an answer is the one to this message; others are passed over.

    A number shorter than its element comes back filled with blanks.
    """
    return (answer.message.mti, answer.stan, answer.terminal_id.rstrip()) == (
        response_mti(mti),
        stan,
        terminal_id.rstrip(),
    )


def is_decided(answer: AnswerRead, payment: SentPayment) -> bool:
    """
    Tell whether a refund or an advice was refused for good, under a number of its own.

    That is what every copy of it hears for ever after; without a number nobody has decided
    anything. What can be reversed is reversed instead.
    """
    return payment.owes_repeat and answer.rrn not in {"", payment.fields.get("rrn", "")}


def read_balances(answer: AnswerRead, dialect: Dialect) -> tuple[Balance, ...]:
    """Read DE 54; what cannot be read is not shown."""
    text = str(answer.message.fields.get("additional_amounts", ""))
    try:
        groups = dialect.split_groups("additional_amounts", text) if text else []
        return tuple(
            Balance(
                account_type=group["account_type"],
                amount_type=group["amount_type"],
                minor=int(group["amount"]) * (-1 if group["sign"] == "D" else 1),
                currency=group["amount_currency"],
            )
            for group in groups
        )
    except (CodecError, ValueError):
        return ()
