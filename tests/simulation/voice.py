"""What a terminal says and how it reads what it hears, in both dialects of terminals."""

import datetime as dt
from functools import lru_cache
from typing import NamedTuple

from switch.codec import Message, load_dialect
from switch.codec.framing import frame_bytes
from switch.security.mac import MacKey
from tests.simulation.world import BATCH, CURRENCY, UNIONPAY, TerminalSpec

TPDU = bytes.fromhex("6000060000")
HEADER = bytes.fromhex("603100311003")
TRANSPORT_BYTES = len(TPDU) + len(HEADER)
LENGTH_BYTES = 2
NO_INSTITUTION = "0" * 11


class Kind(NamedTuple):
    """How one kind of transaction is told from others on the wire (docs/iso8583.md 2)."""

    name: str
    mti: str
    processing_code: str
    condition_code: str
    transaction_code: str  # DE 60.1


SALE = Kind("sale", "0200", "000000", "00", "22")


class Heard(NamedTuple):
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
        self._mac_key = MacKey("unionpay-ecb", spec.mak) if spec.mak else None
        self._transport = TPDU + HEADER if self.has_batch else b""

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
        if self.has_batch:
            fields["batch_data"] = f"{kind.transaction_code}{self.batch}00050"
        else:
            fields.update(dates_of(wall_ms // 1000)._asdict())
        return fields

    def make_reversal_fields(
        self, original: dict, mti: str, reason: str, stan: str, wall_ms: int
    ) -> dict:
        """Take a request back: under its own number, or with DE 90 where there is no batch."""
        fields = dict(original)
        del fields["expiration_date"]
        fields["response_code"] = reason
        if not self.has_batch:
            date = original["local_date"]  # it is part of the key: a repeat keeps the first's
            fields.update(dates_of(wall_ms // 1000)._asdict())
            fields["local_date"] = date
            fields["stan"] = stan
            fields["original_data_elements"] = (
                f"{mti}{original['stan']}{original['transmission_time']}"
                f"{NO_INSTITUTION}{NO_INSTITUTION}"
            )
        return fields

    def frame(self, mti: str, fields: dict, *, spoils_mac: bool = False) -> bytes:
        dialect = self._dialect
        if self._mac_key is None:
            wire = dialect.encode(Message(mti, fields))
        else:
            proven = {**fields, "mac": bytes(8)}
            mab = dialect.encode(Message(mti, proven))[: -dialect.mac_length]
            mac = b"00000000" if spoils_mac else self._mac_key.compute(mab)
            wire = mab + (mac if len(mac) == dialect.mac_length else mac.hex().upper().encode())
        return frame_bytes("binary-2", self._transport + wire)

    def read(self, frame: bytes) -> Heard:
        wire = frame[LENGTH_BYTES + len(self._transport) :]
        message = self._dialect.decode(wire)
        get = message.fields.get
        mac = get("mac")
        key, mac_length = self._mac_key, self._dialect.mac_length
        is_proven = key is None or (mac is not None and key.verify(wire[:-mac_length], mac))
        return Heard(
            message.mti,
            get("stan", ""),
            get("response_code", ""),
            get("rrn", ""),
            get("authorization_id", ""),
            int(get("amount_transaction") or 0),
            mac is not None,
            is_proven,
            wire[:-mac_length] if mac is not None else wire,
        )

    def key_of(self, fields: dict, message_class: str) -> str:
        """Spell the idempotency key out as docs/rules.md 1 does."""
        batch = self.batch if self.has_batch else fields["local_date"]
        spec = self.spec
        terminal = f"{spec.acquirer}|{spec.merchant_id}|{spec.terminal_id}"
        return f"{terminal}|{batch}|{fields['stan']}|{message_class}"
