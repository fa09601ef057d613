"""Frames that are built once: only amount, trace number and MAC change from payment to payment."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

from loadtest.terminal_list import TerminalSpec
from switch.codec import CodecError, Dialect, Message, Value
from switch.security.mac import MacKey

DIALECT: Final = "unionpay-pos"
CURRENCY: Final = "156"
TPDU: Final = bytes.fromhex("6000060000")
HEADER: Final = bytes.fromhex("603100311003")
TRANSPORT_BYTES: Final = len(TPDU) + len(HEADER)
_LENGTH_BYTES: Final = 2
_MAC_PLACEHOLDER: Final = b"00000000"
_AMOUNT_DIGITS: Final = 12
_STAN_DIGITS: Final = 6


class RequestTemplate:
    """
    One kind of message of one terminal, complete but for amount, trace number and MAC.

    Where those lie in the message is found by encoding it twice, so that no knowledge of the
    dialect is repeated here.
    """

    __slots__ = ("_head", "_mac_key", "_middle", "_pack_amount", "_pack_stan", "_prefix", "_tail")

    def __init__(
        self, dialect: Dialect, mti: str, fields: Mapping[str, Value], mac_key: MacKey | None
    ) -> None:
        """
        Encode the fixed parts.

        Raises:
            CodecError: a field that the dialect cannot hold.
        """

        def encode(digit: str) -> bytes:
            varying = {"amount_transaction": digit * _AMOUNT_DIGITS, "stan": digit * _STAN_DIGITS}
            mac = {"mac": _MAC_PLACEHOLDER} if mac_key else {}
            return dialect.encode(Message(mti, {**fields, **varying, **mac}))

        zeros, ones = encode("0"), encode("1")
        differing = [
            index for index, pair in enumerate(zip(zeros, ones, strict=True)) if len(set(pair)) > 1
        ]
        amount_bytes = len(differing) * _AMOUNT_DIGITS // (_AMOUNT_DIGITS + _STAN_DIGITS)
        amount_at, stan_at = differing[0], differing[amount_bytes]
        stan_bytes = len(differing) - amount_bytes
        end = len(zeros) - (dialect.mac_length if mac_key else 0)
        length = (TRANSPORT_BYTES + len(zeros)).to_bytes(_LENGTH_BYTES, "big")
        self._prefix = length + TPDU + HEADER
        self._head = zeros[:amount_at]
        self._middle = zeros[amount_at + amount_bytes : stan_at]
        self._tail = zeros[stan_at + stan_bytes : end]
        self._pack_amount = _digit_packer(_AMOUNT_DIGITS, amount_bytes)
        self._pack_stan = _digit_packer(_STAN_DIGITS, stan_bytes)
        self._mac_key = mac_key

    def build(self, amount_minor: int, stan: int) -> bytes:
        """Return the whole frame, length and MAC included."""
        mab = (
            self._head
            + self._pack_amount(amount_minor)
            + self._middle
            + self._pack_stan(stan)
            + self._tail
        )
        mac = self._mac_key.compute(mab) if self._mac_key else b""
        return self._prefix + mab + mac


def _digit_packer(digits: int, width: int) -> Callable[[int], bytes]:
    if width == digits:
        pattern = b"%%0%dd" % digits
        return lambda number: pattern % number
    text = f"%0{digits}d"
    return lambda number: bytes.fromhex(text % number)


class TerminalTemplates(NamedTuple):
    """What a terminal can send, and the key that proves what it hears."""

    sale: RequestTemplate
    reversal: dict[str, RequestTemplate]  # by reason (DE 39)
    mac_key: MacKey | None


REVERSAL_NO_ANSWER: Final = "98"
REVERSAL_OTHER: Final = "06"


def make_templates(dialect: Dialect, spec: TerminalSpec) -> TerminalTemplates:
    """
    Prepare the messages of one terminal.

    Raises:
        CodecError: the terminal's identity does not fit the dialect.
        ValueError: the key does not fit its algorithm.
    """
    key = bytes.fromhex(spec.mak)
    mac_key = MacKey(spec.mac_algorithm, key) if spec.mac_algorithm != "none" else None
    common: dict[str, Value] = {
        "pan": spec.pan,
        "processing_code": "000000",
        "pos_entry_mode": "012",
        "pos_condition_code": "00",
        "terminal_id": spec.terminal_id,
        "merchant_id": spec.merchant_id,
        "currency": CURRENCY,
        "batch_data": f"22{spec.batch}00050",
    }
    sale = {**common, "expiration_date": spec.expiration_date}
    return TerminalTemplates(
        sale=RequestTemplate(dialect, "0200", sale, mac_key),
        reversal={
            reason: RequestTemplate(dialect, "0400", {**common, "response_code": reason}, mac_key)
            for reason in (REVERSAL_NO_ANSWER, REVERSAL_OTHER)
        },
        mac_key=mac_key,
    )


class HeardAnswer(NamedTuple):
    """What a terminal reads of an answer."""

    mti: str
    stan: str
    response_code: str
    rrn: str
    authorization_id: str
    private_63: str


def read_answer(dialect: Dialect, frame: bytes) -> HeardAnswer | None:
    """Read an answer frame (without its length); None if it cannot be read."""
    try:
        message = dialect.decode(frame[TRANSPORT_BYTES:])
    except CodecError:
        return None
    get = message.fields.get
    return HeardAnswer(
        message.mti,
        str(get("stan", "")),
        str(get("response_code", "")),
        str(get("rrn", "")),
        str(get("authorization_id", "")),
        str(get("private_63", "")),
    )


def verify_answer(templates: TerminalTemplates, frame: bytes, mac_length: int) -> bool:
    """Tell whether an answer frame carries a right MAC (always, where the profile has none)."""
    key = templates.mac_key
    return key is None or key.verify(frame[TRANSPORT_BYTES:-mac_length], frame[-mac_length:])
