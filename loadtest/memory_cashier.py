"""A terminal of the memory benchmark: what a cashier does in a day, and what it may quote later."""

from random import Random
from typing import Final, NamedTuple

from loadtest.lone_partition import ACQUIRER, LonePartition
from loadtest.memory_world import (
    CURRENCY,
    FIRST_BATCH,
    SCHEME,
    first_mac_key_of,
    master_key_of,
)
from switch.codec import Message, Value
from switch.domain.terminal.requests import BatchTotals
from switch.security.mac import MacKey
from switch.security.working_keys import KeyScheme, unwrap_working_keys

# MTI, DE 3, DE 25, DE 60.1 (docs/iso8583.md 2)
KINDS: Final = {
    "sale": ("0200", "000000", "00", "22"),
    "void": ("0200", "200000", "00", "23"),
    "refund": ("0220", "200000", "00", "25"),
    "inquiry": ("0200", "310000", "00", "01"),
    "pre-authorization": ("0100", "030000", "06", "10"),
    "pre-authorization-void": ("0100", "200000", "06", "11"),
    "completion": ("0200", "000000", "06", "20"),
    "completion-advice": ("0220", "000000", "06", "24"),
    "offline": ("0220", "000000", "00", "30"),
}
STANS: Final = 999_999
_ALGORITHM: Final = "unionpay-ecb"
_MAC_BYTES: Final = 8
_CHIP_RESULT: Final = bytes.fromhex("DF3105200102030A")
_NO_ORIGINAL: Final = "0" * 16


class Receipt(NamedTuple):
    """What a cashier keeps of a message, to repeat it, take it back or quote it."""

    mti: str
    fields: dict[str, Value]
    rrn: str
    pan: str
    amount: int
    batch: str

    @property
    def stan(self) -> str:
        """The trace number under which it was sent."""
        return str(self.fields["stan"])


class Cashier:
    """Asks under ever new trace numbers, signs on, settles; one at a time, as terminals do."""

    def __init__(self, partition: LonePartition, terminal_id: str, merchant_id: str) -> None:
        self._partition = partition
        self.terminal_id = terminal_id
        self.merchant_id = merchant_id
        self.batch = FIRST_BATCH
        self._stan = 0
        self._mac_key = MacKey(_ALGORITHM, first_mac_key_of(terminal_id))

    @property
    def till(self) -> tuple[str, str, str]:
        """How the partition names this terminal."""
        return (ACQUIRER, self.merchant_id, self.terminal_id)

    # -- payments

    def ask(self, kind: str, amount: int, pan: str, **changes: str) -> Receipt:
        """Ask for a transaction under the next trace number."""
        mti, code, condition, kind_code = KINDS[kind]
        fields: dict[str, Value] = {
            "pan": pan,
            "processing_code": code,
            "stan": self._next_stan(),
            "expiration_date": "3012",
            "pos_entry_mode": "012",
            "pos_condition_code": condition,
            "terminal_id": self.terminal_id,
            "merchant_id": self.merchant_id,
            "currency": CURRENCY,
            "batch_data": f"{kind_code}{self.batch}00050",
            **changes,
        }
        if kind != "inquiry":
            fields["amount_transaction"] = f"{amount:012d}"
        rrn = self._say(mti, fields, pan)
        return Receipt(mti, fields, rrn, pan, amount, self.batch)

    def ask_about(self, kind: str, original: Receipt, amount: int) -> Receipt:
        """Void or refund a payment: by its RRN, batch and trace number."""
        date = "0000" if kind == "refund" else ""
        quoted = f"{original.batch}{original.stan}{date}"
        return self.ask(kind, amount, original.pan, rrn=original.rrn, original_transaction=quoted)

    def ask_about_hold(self, kind: str, hold: Receipt, amount: int, code: str) -> Receipt:
        """Complete or give up a pre-authorization: by card and authorization code."""
        return self.ask(
            kind, amount, hold.pan, authorization_id=code, original_transaction=_NO_ORIGINAL
        )

    def repeat(self, receipt: Receipt) -> None:
        """Send the same again, as a repeat."""
        self._say(f"{receipt.mti[:3]}1", receipt.fields, receipt.pan)

    def take_back(self, receipt: Receipt) -> None:
        """Send the 0400 of a payment."""
        fields = {name: value for name, value in receipt.fields.items() if name != "rrn"}
        self._say("0400", {**fields, "response_code": "98"}, receipt.pan)

    def take_back_unsent(self, amount: int, pan: str) -> None:
        """Send the 0400 of a payment that never arrived: it leaves a tombstone."""
        _, code, condition, kind_code = KINDS["sale"]
        fields: dict[str, Value] = {
            "pan": pan,
            "processing_code": code,
            "amount_transaction": f"{amount:012d}",
            "stan": self._next_stan(),
            "pos_entry_mode": "012",
            "pos_condition_code": condition,
            "terminal_id": self.terminal_id,
            "merchant_id": self.merchant_id,
            "currency": CURRENCY,
            "response_code": "98",
            "batch_data": f"{kind_code}{self.batch}00050",
        }
        self._say("0400", fields, pan)

    # -- the terminal itself

    def sign_on(self) -> None:
        """Get new working keys, and use them from now on."""
        self._manage("0800", SCHEME, private_63="01 ")
        answer = self._partition.read_reply().fields
        wrapped = str(answer["private_62"]).encode("latin-1")
        keys = unwrap_working_keys(wrapped, KeyScheme(SCHEME), master_key_of(self.terminal_id))
        self._mac_key = MacKey(_ALGORITHM, keys.mak)

    def tell_script_result(self, pan: str) -> None:
        """Tell what became of an issuer's commands to a chip."""
        self._manage("0620", "951", has_mac=True, card_pan=pan, pan=pan, icc_data=_CHIP_RESULT)

    def settle(self, claimed: BatchTotals) -> bool:
        """Close the batch with these totals; say whether they were the switch's as well."""
        totals = (
            f"{claimed.debit_minor:012d}{claimed.debit_count:03d}"
            f"{claimed.credit_minor:012d}{claimed.credit_count:03d}0{0:030d}0"
        )
        self._manage("0500", "201", additional_data_private=totals, currency=CURRENCY)
        book, closed_batch = self._partition.book, self.batch
        closed = book.find_closed_batch(self.till, closed_batch)
        assert closed is not None, "a 0500 that closed nothing"
        self.batch = f"{int(closed_batch) % STANS + 1:06d}"
        return closed.is_balanced

    def end_upload(self, batch: str) -> None:
        """End the upload of a batch without having uploaded anything."""
        self._manage("0320", "202", batch, has_mac=True, additional_data_private="0000")

    def _manage(
        self,
        mti: str,
        network_code: str,
        batch: str = "",
        *,
        has_mac: bool = False,
        card_pan: str = "",
        **fields: Value,
    ) -> None:
        common: dict[str, Value] = {
            "stan": self._next_stan(),
            "terminal_id": self.terminal_id,
            "merchant_id": self.merchant_id,
            "batch_data": f"00{batch or self.batch}{network_code}",
        }
        self._say(mti, {**common, **fields}, card_pan, has_mac=has_mac)

    # -- small

    def _next_stan(self) -> str:
        self._stan = self._stan % STANS + 1
        return f"{self._stan:06d}"

    def _say(self, mti: str, fields: dict[str, Value], pan: str, *, has_mac: bool = True) -> str:
        """Say something; return the RRN of the payment that it opened, if it did."""
        dialect = self._partition.dialect
        if has_mac:
            fields = {**fields, "mac": bytes(_MAC_BYTES)}
        wire = dialect.encode(Message(mti, fields))
        if has_mac:
            wire = wire[:-_MAC_BYTES] + self._mac_key.compute(wire[:-_MAC_BYTES])
        self._partition.say(Message(mti, fields), wire, pan)
        return self._partition.opened_rrn


def make_pan(random: Random, card_count: int) -> str:
    """Draw a card of the benchmark's issuer."""
    return f"62{random.randrange(card_count):013d}7"
