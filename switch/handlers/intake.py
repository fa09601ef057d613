"""What happens to an inbound record before any decision: unsealing, identity, MAC, reading."""

from collections.abc import Callable
from typing import Final, NamedTuple, Protocol

from switch.codec import Dialect, Message
from switch.codec.tlv import TlvError, decode_tlv, find_tlv
from switch.domain.payment.requests import PaymentRequest
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Terminal
from switch.eventlog.inbound import RequestReceived
from switch.handlers.translate import JSON_CHANNEL, NotUnderstood, read_request
from switch.security.keys import Keys
from switch.security.mac import MacKey
from switch.security.minute_keys import KeyDestroyed

_CHIP_COUNTER_TAG: Final = "9F36"
_UPSTREAM_SECRETS: Final = ("track2", "icc_data")


class TerminalView(Protocol):
    """The part of the registry that proves who is talking."""

    def find_terminal(self, acquirer: str, terminal_id: str) -> Terminal | None:
        """Return the terminal, if the registry knows it."""
        ...


class Waiter(NamedTuple):
    """
    One request that still waits for its answer, with what the answer needs of it.

    Held in memory only and dropped with the answer: `message` is the clear message.
    """

    received: RequestReceived
    message: bytes
    dialect: Dialect | None
    mac_key: MacKey | None

    def decode(self) -> Message:
        """Decode the message again, for the fields that the answer echoes."""
        assert self.dialect is not None
        return self.dialect.decode(self.message)


class Refused(NamedTuple):
    """Not even a payment: the reason and what completes it."""

    reason: Reason
    detail: str = ""


class Intake:
    """Turns inbound records into requests; holds keys and dialects, remembers nothing."""

    def __init__(self, keys: Keys, load_dialect: Callable[[str], Dialect]) -> None:
        self._keys = keys
        self._load_dialect = load_dialect

    def unseal(self, received: RequestReceived, terminals: TerminalView) -> Waiter | None:
        """
        Open the message for the MAC and the answer.

        None if its minute key is gone: the request is then older than any terminal waits.
        """
        if received.channel == JSON_CHANNEL:
            return Waiter(received, b"", None, None)
        try:
            message = self._keys.minute_keys.open(
                received.minute_key_id, received.sealed_message, received.inbound_id
            )
        except KeyDestroyed:
            return None
        terminal = self._find_terminal(received, terminals)
        mac_key = self._keys.mac_key_of(terminal) if terminal else None
        return Waiter(received, message, self._load_dialect(received.channel), mac_key)

    def _find_terminal(self, received: RequestReceived, terminals: TerminalView) -> Terminal | None:
        return terminals.find_terminal(received.acquirer, received.fields.get("terminal_id", ""))

    def prove(self, waiter: Waiter, terminals: TerminalView) -> Refused | None:
        """Check terminal identity, key and MAC, in this order (docs/rules.md 7)."""
        received = waiter.received
        if received.channel == JSON_CHANNEL:
            return None
        terminal = self._find_terminal(received, terminals)
        if terminal is None:
            return Refused(Reason.TERMINAL_UNKNOWN)
        if waiter.mac_key is None:
            return Refused(Reason.TERMINAL_WITHOUT_KEY) if terminal.needs_mac else None
        assert waiter.dialect is not None
        size = waiter.dialect.mac_length
        if not received.has_mac:
            return Refused(Reason.MAC_INVALID, "the message carries no MAC")
        mac = waiter.message[-size:]
        if size != _MAC_BYTES:
            try:
                mac = bytes.fromhex(mac.decode("ascii"))
            except ValueError:
                return Refused(Reason.MAC_INVALID)
        if waiter.mac_key.verify(waiter.message[:-size], mac):
            return None
        return Refused(Reason.MAC_INVALID)

    def read(self, waiter: Waiter) -> PaymentRequest | Refused:
        """Read the request in domain words."""
        try:
            return read_request(
                waiter.received,
                waiter.dialect,
                self._keys.fingerprinter,
                _read_chip_counter(waiter),
            )
        except NotUnderstood as error:
            return Refused(Reason.FORMAT_ERROR, str(error))

    def upstream_secrets(self, waiter: Waiter) -> dict[str, str | bytes]:
        """Take track and chip data out of the message for the debit; they are stored nowhere."""
        if waiter.received.channel == JSON_CHANNEL or not waiter.received.has_secrets:
            return {}
        fields = waiter.decode().fields
        return {name: fields[name] for name in _UPSTREAM_SECRETS if name in fields}


_MAC_BYTES: Final = 8


def _read_chip_counter(waiter: Waiter) -> str:
    """Find the chip's transaction counter: it tells two purchases with one card apart."""
    if not waiter.received.has_chip:
        return ""
    data = waiter.decode().fields.get("icc_data", b"")
    try:
        counter = find_tlv(decode_tlv(data), _CHIP_COUNTER_TAG) if isinstance(data, bytes) else None
    except TlvError as error:
        raise NotUnderstood("DE 55 icc_data is not well-formed BER-TLV") from error
    return counter.value.hex() if counter else ""
