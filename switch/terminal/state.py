"""What a POS must not forget: trace number, batch, keys, payments, and what it still owes."""

from typing import Final, Literal

import msgspec

from switch.security.sealing import Sealer
from switch.terminal.batch import HISTORY_COUNT_MAX, BatchTotals, KeptPayment
from switch.terminal.operations import Operation

STAN_MAX: Final = 999_999
BATCH_MAX: Final = 999_999


class SentPayment(msgspec.Struct, frozen=True, kw_only=True):
    """
    The last payment that was sent, as far as a repeat or a reversal needs it.

    `fields` are the message's elements without the MAC, those that hold bytes in `binary`; they
    hold the card number, so this is sealed wherever it is stored. The PIN block is in there until
    the payment is answered. `sent_count` counts sendings of this payment, repeats included.
    """

    mti: str
    fields: dict[str, str]
    binary: dict[str, bytes] = {}
    operation: Operation = Operation.SALE
    batch: str = ""  # empty where there are none
    original_rrn: str = ""
    sent_count: int = 1
    owed_reason: str = ""  # DE 39 of the reversal that this payment still owes; empty: none
    reversal_stan: str = ""  # DE 11 of that reversal, where it has one of its own
    owes_repeat: bool = False  # a refund or an advice that nobody has answered

    def __repr__(self) -> str:
        """Hide the card."""
        return f"SentPayment({self.mti!r}, owed_reason={self.owed_reason!r}, <hidden>)"

    __str__ = __repr__


class Closing(msgspec.Struct, frozen=True, kw_only=True):
    """
    How far the closing of a batch has come: its totals, then what is uploaded, then the end.

    `stan` is that of the message that is under way; it is kept until that has been answered, so
    that a closing that was interrupted goes on with the same message.
    """

    step: Literal["totals", "lists", "end"]
    stan: str
    totals: BatchTotals
    wants_upload: bool = False  # upload even what the switch finds balanced
    is_balanced: bool = False
    balance_flag: str = ""  # DE 48 of the answer: 1 balanced, 2 not, 3 the switch could not tell
    switch_totals: BatchTotals | None = None
    uploaded_count: int = 0


class PosState(msgspec.Struct, kw_only=True):
    """
    One terminal between two payments; saved before anything is sent that depends on it.

    Keys are in clear, as the terminal's tamper-proof part would hold them: `tmk` opens the working
    keys of a sign-on (for MACs `mak`, for PINs `pik`, for tracks `tdk`). Without `mak` messages
    carry no MAC. `payments` are the approved ones, of this batch and the latest of those before.
    """

    profile: str
    terminal_id: str
    merchant_id: str
    merchant_type: str = ""  # DE 18, sent where it is not empty
    batch: str = "000001"
    stan: int = 0  # the last one used
    mac_algorithm: str = "unionpay-ecb"
    mak: bytes = b""
    tpdu: bytes = bytes.fromhex("6000060000")
    header: bytes = bytes.fromhex("603100311003")
    last: SentPayment | None = None
    key_scheme: str = "003"
    tmk: bytes = b""
    pik: bytes = b""
    tdk: bytes = b""
    pin_format: str = "iso-0"
    serial_number: str = ""
    operator: str = "01"
    is_signed_on: bool = False
    keys_merchant_id: str = ""  # DE 42 of that sign-on; the keys are good under no other
    payments: list[KeptPayment] = []
    closing: Closing | None = None

    def __repr__(self) -> str:
        """Hide key and card."""
        return f"PosState({self.profile!r}, {self.terminal_id!r}, <hidden>)"

    __str__ = __repr__

    @property
    def owes_reversal(self) -> bool:
        """Whether the last payment must be taken back before the next one."""
        return self.last is not None and self.last.owed_reason != ""

    @property
    def owes_repeat(self) -> bool:
        """Whether the last payment must be sent again before the next one."""
        return self.last is not None and self.last.owes_repeat

    def take_stan(self) -> str:
        """Use the next trace number; it goes on across batches and comes round after 999999."""
        self.stan = self.stan % STAN_MAX + 1
        return f"{self.stan:06d}"

    def keep_payment(self, payment: KeptPayment) -> None:
        """Remember what was approved last, once however often it was sent."""
        known = self.payments[-1] if self.payments else None
        if known is not None and (known.batch, known.stan) == (payment.batch, payment.stan):
            self.payments[-1] = payment
            return
        self.payments.append(payment)
        if not payment.batch and len(self.payments) > 2 * HISTORY_COUNT_MAX:
            self.forget_oldest()  # there is no batch whose end would do it

    def note_reversal(self, batch: str, stan: str) -> None:
        """Remember that the last payment was taken back, if it had been approved."""
        known = self.payments[-1] if self.payments else None
        if known is not None and (known.batch, known.stan) == (batch, stan):
            self.payments[-1] = msgspec.structs.replace(known, is_reversed=True)

    def close_batch(self) -> None:
        """Go on to the next batch; the latest payments stay known, so that they can be refunded."""
        self.batch = f"{int(self.batch) % BATCH_MAX + 1:06d}"
        self.closing = None
        self.forget_oldest()

    def forget_oldest(self) -> None:
        """Keep no more payments than a refund may ask for."""
        del self.payments[:-HISTORY_COUNT_MAX]


class _Secrets(msgspec.Struct, kw_only=True):
    mak: bytes
    last: SentPayment | None
    tmk: bytes = b""
    pik: bytes = b""
    tdk: bytes = b""
    payments: list[KeptPayment] = []


class _Stored(msgspec.Struct, kw_only=True):
    """The file: what people may read, and the rest sealed."""

    profile: str
    terminal_id: str
    merchant_id: str
    merchant_type: str
    batch: str
    stan: int
    mac_algorithm: str
    tpdu: str
    header: str
    owes_reversal: bool
    sealed: bytes
    owes_repeat: bool = False
    key_scheme: str = "003"
    pin_format: str = "iso-0"
    serial_number: str = ""
    operator: str = "01"
    is_signed_on: bool = False
    keys_merchant_id: str = ""
    closing: Closing | None = None


_OPEN_NAMES: Final = (
    "profile",
    "terminal_id",
    "merchant_id",
    "merchant_type",
    "batch",
    "stan",
    "mac_algorithm",
    "key_scheme",
    "pin_format",
    "serial_number",
    "operator",
    "is_signed_on",
    "keys_merchant_id",
    "closing",
)
_SECRET_NAMES: Final = tuple(_Secrets.__struct_fields__)

_encode_secrets = msgspec.json.Encoder().encode
_decode_secrets = msgspec.json.Decoder(_Secrets).decode
_decode_stored = msgspec.json.Decoder(_Stored).decode


def encode_state(state: PosState, sealer: Sealer) -> bytes:
    """Write a terminal's state as JSON; keys and cards are sealed for this terminal."""
    secrets = _encode_secrets(_Secrets(**{name: getattr(state, name) for name in _SECRET_NAMES}))
    stored = _Stored(
        **{name: getattr(state, name) for name in _OPEN_NAMES},
        tpdu=state.tpdu.hex(),
        header=state.header.hex(),
        owes_reversal=state.owes_reversal,
        owes_repeat=state.owes_repeat,
        sealed=sealer.seal(secrets, _place(state.terminal_id)),
    )
    return msgspec.json.format(msgspec.json.encode(stored), indent=2) + b"\n"


def decode_state(text: bytes, sealer: Sealer) -> PosState:
    """
    Read what `encode_state` wrote.

    Raises:
        msgspec.MsgspecError: not a terminal's state.
        SealBroken: sealed under another key, or for another terminal.
    """
    stored = _decode_stored(text)
    secrets = _decode_secrets(sealer.open(stored.sealed, _place(stored.terminal_id)))
    return PosState(
        **{name: getattr(stored, name) for name in _OPEN_NAMES},
        **{name: getattr(secrets, name) for name in _SECRET_NAMES},
        tpdu=bytes.fromhex(stored.tpdu),
        header=bytes.fromhex(stored.header),
    )


def _place(terminal_id: str) -> str:
    return f"pos:{terminal_id}"
