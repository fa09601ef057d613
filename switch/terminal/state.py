"""What a POS must not forget: trace number, batch, keys, its last payment, the reversal it owes."""

from typing import Final

import msgspec

from switch.security.sealing import Sealer

STAN_MAX: Final = 999_999


class SentPayment(msgspec.Struct, frozen=True, kw_only=True):
    """
    The last payment that was sent, as far as a repeat or a reversal needs it.

    `fields` are the message's elements without the MAC; they hold the card number, so this is
    sealed wherever it is stored. `sent_count` counts sendings of this payment, repeats included.
    """

    mti: str
    fields: dict[str, str]
    sent_count: int = 1
    owed_reason: str = ""  # DE 39 of the reversal that this payment still owes; empty: none
    reversal_stan: str = ""  # DE 11 of that reversal, where it has one of its own

    def __repr__(self) -> str:
        """Hide the card."""
        return f"SentPayment({self.mti!r}, owed_reason={self.owed_reason!r}, <hidden>)"

    __str__ = __repr__


class PosState(msgspec.Struct, kw_only=True):
    """
    One terminal between two payments; saved before anything is sent that depends on it.

    `mak` is the MAC key in clear, as the terminal's tamper-proof part would hold it; empty: the
    profile knows no MAC.
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

    def __repr__(self) -> str:
        """Hide key and card."""
        return f"PosState({self.profile!r}, {self.terminal_id!r}, <hidden>)"

    __str__ = __repr__

    @property
    def owes_reversal(self) -> bool:
        """Whether the last payment must be taken back before the next one."""
        return self.last is not None and self.last.owed_reason != ""

    def take_stan(self) -> str:
        """Use the next trace number; it goes on across batches and comes round after 999999."""
        self.stan = self.stan % STAN_MAX + 1
        return f"{self.stan:06d}"


class _Secrets(msgspec.Struct, kw_only=True):
    mak: bytes
    last: SentPayment | None


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


_encode_secrets = msgspec.json.Encoder().encode
_decode_secrets = msgspec.json.Decoder(_Secrets).decode
_decode_stored = msgspec.json.Decoder(_Stored).decode


def encode_state(state: PosState, sealer: Sealer) -> bytes:
    """Write a terminal's state as JSON; key and card are sealed for this terminal."""
    secrets = _encode_secrets(_Secrets(mak=state.mak, last=state.last))
    stored = _Stored(
        profile=state.profile,
        terminal_id=state.terminal_id,
        merchant_id=state.merchant_id,
        merchant_type=state.merchant_type,
        batch=state.batch,
        stan=state.stan,
        mac_algorithm=state.mac_algorithm,
        tpdu=state.tpdu.hex(),
        header=state.header.hex(),
        owes_reversal=state.owes_reversal,
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
        profile=stored.profile,
        terminal_id=stored.terminal_id,
        merchant_id=stored.merchant_id,
        merchant_type=stored.merchant_type,
        batch=stored.batch,
        stan=stored.stan,
        mac_algorithm=stored.mac_algorithm,
        mak=secrets.mak,
        tpdu=bytes.fromhex(stored.tpdu),
        header=bytes.fromhex(stored.header),
        last=secrets.last,
    )


def _place(terminal_id: str) -> str:
    return f"pos:{terminal_id}"
