"""What a terminal says and how it reads what it hears, in both dialects of terminals."""

import datetime as dt
from functools import lru_cache
from typing import NamedTuple

import msgspec

from switch.codec import Message, load_dialect
from switch.codec.framing import frame_bytes
from switch.security.mac import MacKey
from tests.simulation.kinds import Kind, Quotes
from tests.simulation.memory import PaymentMemory
from tests.simulation.world import BATCH, CURRENCY, UNIONPAY, TerminalSpec

TPDU = bytes.fromhex("6000060000")
HEADER = bytes.fromhex("603100311003")
TRANSPORT_BYTES = len(TPDU) + len(HEADER)
LENGTH_BYTES = 2
NO_INSTITUTION = "0" * 11
NO_MARK = "000000"
_NOT_IN_REVERSAL = (
    "expiration_date",
    "rrn",
    "pin_block",
    "pin_capture_code",
    "security_control",
)


class Heard(msgspec.Struct, frozen=True):
    """One answer as a terminal reads it."""

    mti: str
    stan: str
    code: str
    rrn: str
    authorization_id: str
    amount_minor: int
    has_mac: bool
    is_proven: bool
    content: bytes  # what must be equal in every answer to the same request
    fields: dict


class Dates(NamedTuple):
    transmission_time: str
    local_time: str
    local_date: str


@lru_cache(maxsize=1_024)
def dates_of(second: int) -> Dates:
    utc = dt.datetime.fromtimestamp(second, dt.UTC)
    local = utc + dt.timedelta(hours=8)
    return Dates(utc.strftime("%m%d%H%M%S"), local.strftime("%H%M%S"), local.strftime("%m%d"))


class Voice:
    """Builds and reads the messages of one terminal."""

    def __init__(self, spec: TerminalSpec) -> None:
        self.spec = spec
        self.has_batch = spec.dialect == UNIONPAY
        self.batch = BATCH
        self._dialect = load_dialect(spec.dialect)
        self._mac_keys = [MacKey(spec.mac_algorithm, spec.mak)] if spec.mak else []
        self._transport = TPDU + HEADER if self.has_batch else b""
        # of what is said again, and heard again: terminals do little else in a storm
        self._said: tuple[tuple, bytes] = ((), b"")
        self._heard: tuple[bytes, Heard | None] = (b"", None)

    def take_key(self, mak: bytes) -> None:
        """Use another MAC key from now on; answers to what was asked before may use older ones."""
        self._mac_keys.insert(0, MacKey(self.spec.mac_algorithm, mak))  # a storm signs on often
        self._said, self._heard = ((), b""), (b"", None)

    # -- payments

    def make_fields(
        self, kind: Kind, *, stan: str, amount_minor: int, pan: str, wall_ms: int
    ) -> dict:
        spec = self.spec
        fields = {
            "pan": pan,
            "processing_code": kind.processing_code,
            "amount_transaction": f"{amount_minor:012d}",
            "stan": stan,
            "expiration_date": "3012",
            "pos_entry_mode": "012",
            "pos_condition_code": kind.condition_code,
            "terminal_id": spec.terminal_id,
            "merchant_id": spec.merchant_id,
            "currency": CURRENCY,
        }
        if kind.name == "balance-inquiry":
            del fields["amount_transaction"]
        if self.has_batch:
            fields["batch_data"] = f"{kind.transaction_code}{self.batch}00050"
        else:
            fields.update(dates_of(wall_ms // 1000)._asdict())
        return fields

    def quote(self, fields: dict, kind: Kind, original: PaymentMemory) -> None:
        """Name the payment that a message is about, as far as its terminal knows it."""
        if original.authorization_id:
            fields["authorization_id"] = original.authorization_id
        if not self.has_batch:
            fields["rrn"] = original.rrn
            if "transmission_time" in original.fields:
                fields["original_data_elements"] = _join_elements(original)
            return
        marks = NO_MARK * 2
        if kind.quotes is not Quotes.AUTHORIZATION:
            fields["rrn"] = original.rrn
            marks = f"{original.batch or NO_MARK}{original.stan}"
        date = "" if kind.quotes is Quotes.PAYMENT else original.date
        fields["original_transaction"] = marks + date

    def make_reversal_fields(
        self, payment: PaymentMemory, reason: str, stan: str, wall_ms: int
    ) -> dict:
        """Take a request back: under its own number, or with DE 90 where there is no batch."""
        original = payment.fields
        fields = {name: v for name, v in original.items() if name not in _NOT_IN_REVERSAL}
        fields["response_code"] = reason
        if not self.has_batch:
            date = original["local_date"]  # it is part of the key: a repeat keeps the first's
            fields.update(dates_of(wall_ms // 1000)._asdict())
            fields["local_date"] = date
            fields["stan"] = stan
            fields["original_data_elements"] = _join_elements(payment)
        return fields

    # -- the terminal itself

    def make_management(self, network_code: str, stan: str, **more: str) -> dict:
        spec = self.spec
        return {
            "stan": stan,
            "terminal_id": spec.terminal_id,
            "merchant_id": spec.merchant_id,
            "batch_data": f"00{self.batch}{network_code}",
            **more,
        }

    # -- bytes

    def frame(
        self, mti: str, fields: dict, *, has_mac: bool = True, spoils_mac: bool = False
    ) -> bytes:
        said = (mti, fields, has_mac, spoils_mac)
        if said != self._said[0]:
            mine = (mti, dict(fields), has_mac, spoils_mac)
            self._said = (mine, self._build(*mine))
        return self._said[1]

    def _build(self, mti: str, fields: dict, has_mac: bool, spoils_mac: bool) -> bytes:  # noqa: FBT001
        dialect = self._dialect
        if not self._mac_keys or not has_mac:
            wire = dialect.encode(Message(mti, fields))
        else:
            proven = {**fields, "mac": bytes(8)}
            mab = dialect.encode(Message(mti, proven))[: -dialect.mac_length]
            mac = b"00000000" if spoils_mac else self._mac_keys[0].compute(mab)
            wire = mab + (mac if len(mac) == dialect.mac_length else mac.hex().upper().encode())
        return frame_bytes("binary-2", self._transport + wire)

    def read(self, frame: bytes) -> Heard:
        if frame != self._heard[0]:
            self._heard = (frame, self._parse(frame))
        return self._heard[1]

    def _parse(self, frame: bytes) -> Heard:
        wire = frame[LENGTH_BYTES + len(self._transport) :]
        message = self._dialect.decode(wire)
        fields = message.fields
        get = fields.get
        mac = get("mac")
        keys, mac_length = self._mac_keys, self._dialect.mac_length
        is_proven = not keys
        if keys and mac is not None:
            mab = wire[:-mac_length]
            is_proven = any(key.verify(mab, mac) for key in keys)
        return Heard(
            message.mti,
            get("stan", ""),
            get("response_code", ""),
            get("rrn", ""),
            get("authorization_id", "").strip(),
            int(get("amount_transaction") or 0),
            mac is not None,
            is_proven,
            wire[:-mac_length] if mac is not None else wire,
            fields,
        )

    def key_of(self, fields: dict, message_class: str) -> str:
        """Spell the idempotency key out as docs/rules.md 1 does."""
        batch = fields["batch_data"][2:8] if self.has_batch else fields["local_date"]
        spec = self.spec
        terminal = f"{spec.acquirer}|{spec.merchant_id}|{spec.terminal_id}"
        return f"{terminal}|{batch}|{fields['stan']}|{message_class}"


def _join_elements(payment: PaymentMemory) -> str:
    fields = payment.fields
    time = fields["transmission_time"]
    return f"{payment.kind.mti}{fields['stan']}{time}{NO_INSTITUTION}{NO_INSTITUTION}"
