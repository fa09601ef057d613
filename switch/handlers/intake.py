"""What happens to an inbound record before any decision: unsealing, identity, MAC, reading."""

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple, Protocol

import msgspec

from switch.codec import CodecError, Dialect, Message, Value
from switch.codec.tlv import TlvError, decode_tlv, find_tlv
from switch.domain.payment.requests import PaymentRequest
from switch.domain.reasons import Reason
from switch.domain.registry.entities import Issuer, SealedWorkingKeys, Terminal, TerminalStatus
from switch.domain.terminal.requests import TerminalRequest
from switch.domain.terminal.rules import TerminalRules
from switch.domain.terminal.state import TerminalState
from switch.eventlog.inbound import RequestReceived
from switch.handlers.translate import JSON_CHANNEL, NotUnderstood, read_request
from switch.handlers.translate_management import UNPROVEN_CLASSES, read_terminal_request
from switch.security.keys import (
    Keys,
    KeyUnfit,
    MasterKeyMissing,
    OfferedKeys,
    SchemeRefused,
)
from switch.security.keystore import KeyStoreFault
from switch.security.mac import MacKey
from switch.security.minute_keys import KeyDestroyed
from switch.security.pin_block import PinFault, PinFormat
from switch.security.sealing import SealBroken
from switch.security.working_keys import KeyScheme

_CHIP_COUNTER_TAG: Final = "9F36"
_UPSTREAM_SECRETS: Final = frozenset({"track2", "icc_data"})
_PIN: Final = frozenset({"pin_block"})
_CHIP: Final = frozenset({"icc_data"})
_MAC_BYTES: Final = 8
_REVERSAL_CLASS: Final = "4"
_NOT_OPENED: Final = "a key does not open here"


class TerminalView(Protocol):
    """The part of the registry that proves who is talking, and to whose issuer a card belongs."""

    def find_terminal(self, acquirer: str, terminal_id: str) -> Terminal | None:
        """Return the terminal, if the registry knows it."""
        ...

    def find_issuer(self, pan_bin: str) -> Issuer | None:
        """Return the issuer with the longest matching BIN."""
        ...


class Waiter(msgspec.Struct, frozen=True, gc=False):
    """
    One request that still waits for its answer, with what the answer needs of it.

    Held in memory only and dropped with the answer: `message` is the clear message. `mac_key` is
    the key that proved it, of the working keys `key_version` (0: the registry's); None where
    nothing did, and then its answer carries no MAC either.
    """

    received: RequestReceived
    message: bytes
    dialect: Dialect | None
    mac_key: MacKey | None = None
    key_version: int = 0

    def decode(self) -> Message:
        """Decode the whole message again."""
        assert self.dialect is not None
        return self.dialect.decode(self.message)

    def pick(self, names: frozenset[str]) -> dict[str, Value]:
        """Read a few elements of the message again; without those that it does not have."""
        assert self.dialect is not None
        return self.dialect.pick(self.message, names)


class Refused(NamedTuple):
    """Not even a payment: the reason and what completes it."""

    reason: Reason
    detail: str = ""


class PinTranslated(msgspec.Struct, frozen=True, gc=False):
    """A PIN block as its issuer wants it, or why there is none (no content)."""

    block: bytes = b""
    security_control: str = ""  # DE 53 that goes with it
    fault: str = ""


NO_PIN: Final = PinTranslated()


class Intake:
    """Turns inbound records into requests; holds keys and dialects, remembers nothing."""

    def __init__(
        self,
        keys: Keys,
        load_dialect: Callable[[str], Dialect],
        rules: TerminalRules = TerminalRules(),  # noqa: B008 - frozen
    ) -> None:
        self._keys = keys
        self._load_dialect = load_dialect
        self._rules = rules

    def unseal(self, received: RequestReceived) -> Waiter | None:
        """
        Open the message for the MAC and the answer.

        None if its minute key is gone: the request is then older than any terminal waits.
        """
        if received.channel == JSON_CHANNEL:
            return Waiter(received, b"", None)
        try:
            message = self._keys.minute_keys.open(
                received.minute_key_id, received.sealed_message, received.inbound_id
            )
        except KeyDestroyed:
            return None
        return Waiter(received, message, self._load_dialect(received.channel))

    # -- who is talking

    def prove(
        self, waiter: Waiter, terminals: TerminalView, till: TerminalState | None, at: int
    ) -> Waiter | Refused:
        """
        Check terminal identity, key and MAC, in this order (docs/rules.md 7).

        `till` is what the terminal has said before, its working keys above all. Sign-on, sign-off,
        echo and batch totals carry no MAC (docs/rules.md 6). What is returned knows the key.
        """
        received = waiter.received
        if received.channel == JSON_CHANNEL:
            return waiter
        terminal = terminals.find_terminal(
            received.acquirer, received.fields.get("terminal_id", "")
        )
        if terminal is None:
            return Refused(Reason.TERMINAL_UNKNOWN)
        if not terminal.needs_mac or received.mti[1] in UNPROVEN_CLASSES:
            return waiter
        proven = self._find_key(waiter, terminal, till)
        if terminal.status is not TerminalStatus.LOST or isinstance(proven, Refused):
            return proven
        if self._still_proves(terminal, received, at):
            return proven
        return Refused(Reason.TERMINAL_INACTIVE, terminal.status.value)

    def _find_key(
        self, waiter: Waiter, terminal: Terminal, till: TerminalState | None
    ) -> Waiter | Refused:
        """Find the key that the message's MAC was made with; the newest is tried first."""
        received, message, dialect = waiter.received, waiter.message, waiter.dialect
        assert dialect is not None
        size = dialect.mac_length
        mac: bytes | None = message[-size:] if received.has_mac else None
        if mac is not None and size != _MAC_BYTES:
            try:
                mac = bytes.fromhex(mac.decode("ascii"))
            except ValueError:
                mac = b""
        reason, detail = Reason.TERMINAL_WITHOUT_KEY, ""
        for key, version in self._list_keys(terminal, till):
            if mac is None:
                return Refused(Reason.MAC_INVALID, "the message carries no MAC")
            if key.verify(message[:-size], mac):
                return Waiter(received, message, dialect, key, version)
            reason = Reason.MAC_INVALID
        return Refused(reason, detail)

    def _list_keys(
        self, terminal: Terminal, till: TerminalState | None
    ) -> Iterator[tuple[MacKey, int]]:
        """
        List the keys that may prove a message of this terminal, the newest first.

        The registry's own key ends when one of a sign-on was proven. A set of another cipher than
        the terminal now has is passed over: it must sign on.
        """
        if till is not None:
            for one in reversed(till.key_sets):
                try:
                    yield self._keys.open_working_mac(terminal, one.keys), one.version
                except KeyUnfit:
                    continue
            if till.proven_version and terminal.tmk is not None:
                return
        key = self._keys.mac_key_of(terminal)
        if key is not None:
            yield key, 0

    def _still_proves(self, terminal: Terminal, received: RequestReceived, at: int) -> bool:
        """A lost terminal proves nothing but reversals, and those only for a while."""
        is_reversal = received.mti[1] == _REVERSAL_CLASS
        return is_reversal and at - terminal.lost_at < self._rules.lost_key_ms

    # -- what it says

    def read(self, waiter: Waiter) -> PaymentRequest | Refused:
        """Read the request in domain words."""
        try:
            return read_request(
                waiter.received,
                waiter.dialect,
                self._keys.fingerprinter,
                _read_chip_counter(waiter),
                waiter.key_version,
            )
        except (NotUnderstood, CodecError) as error:
            return Refused(Reason.FORMAT_ERROR, str(error))

    def read_terminal(self, waiter: Waiter) -> TerminalRequest | Refused:
        """Read in domain words what a terminal asks about itself."""
        received, dialect = waiter.received, waiter.dialect
        assert dialect is not None
        vault = self._keys.vault
        try:
            return read_terminal_request(
                received,
                waiter.decode(),
                dialect,
                self._keys.fingerprinter,
                lambda pan: vault.protect(pan, "", received.inbound_id),
                key_version=waiter.key_version,
            )
        except (NotUnderstood, CodecError) as error:
            return Refused(Reason.FORMAT_ERROR, str(error))

    # -- keys and secrets

    def offer_keys(
        self, request: TerminalRequest, terminals: TerminalView
    ) -> OfferedKeys | Refused | None:
        """Make working keys for a sign-on; None for a terminal that makes no MACs."""
        terminal = terminals.find_terminal(request.acquirer, request.terminal_id)
        if terminal is None or not terminal.needs_mac:
            return None
        try:
            return self._keys.offer_working_keys(terminal, KeyScheme(request.network_code))
        except MasterKeyMissing:
            return Refused(Reason.MASTER_KEY_MISSING)
        except SchemeRefused as error:
            return Refused(Reason.KEY_SCHEME_REFUSED, str(error))
        except SealBroken:
            return Refused(Reason.MASTER_KEY_MISSING, _NOT_OPENED)
        except KeyStoreFault:
            return Refused(Reason.INTERNAL_FAULT, "no key store")

    def wrap_again(
        self, request: TerminalRequest, keys: SealedWorkingKeys, terminals: TerminalView
    ) -> bytes:
        """Wrap keys again that a sign-on handed out; empty where they fit the terminal no more."""
        terminal = terminals.find_terminal(request.acquirer, request.terminal_id)
        if terminal is None or not terminal.needs_mac:
            return b""
        try:
            return self._keys.wrap_again(terminal, keys)
        except (MasterKeyMissing, SchemeRefused, KeyUnfit, SealBroken, KeyStoreFault):
            return b""

    def translate_pin(
        self,
        waiter: Waiter,
        request: PaymentRequest,
        terminals: TerminalView,
        till: TerminalState | None,
    ) -> PinTranslated:
        """
        Turn the PIN block of a message into its issuer's, under the keys that proved the message.

        Nothing where nobody is there to be told it: the route says so.
        """
        if request.card is None:
            return NO_PIN
        terminal = terminals.find_terminal(request.acquirer, request.terminal_id)
        issuer = terminals.find_issuer(request.card.bin)
        if terminal is None or issuer is None:
            return NO_PIN
        working = till.find_keys(waiter.key_version) if till else None
        block = waiter.pick(_PIN).get("pin_block", b"")
        try:
            translated = self._keys.translate_pin(
                block if isinstance(block, bytes) else b"",
                terminal=terminal,
                working=working,
                terminal_format=PinFormat(terminal.pin_format),
                issuer=issuer,
                pan=self._keys.vault.reveal(request.card).pan,
            )
        except PinFault as error:
            return PinTranslated(fault=str(error))
        except (SealBroken, KeyStoreFault):
            return PinTranslated(fault=_NOT_OPENED)
        return PinTranslated(translated, _SECURITY_CONTROLS[PinFormat(issuer.pin_format)])

    def upstream_secrets(self, waiter: Waiter, pin: PinTranslated) -> dict[str, str | bytes]:
        """Collect track, chip data and PIN block for the debit; they are stored nowhere."""
        if waiter.received.channel == JSON_CHANNEL or not waiter.received.has_secrets:
            return {}
        secrets = waiter.pick(_UPSTREAM_SECRETS)
        if pin.block:
            secrets["pin_block"] = pin.block
            secrets["security_control"] = pin.security_control
        return secrets


# DE 53 towards issuers: with or without the card number in the block; under 3DES
_SECURITY_CONTROLS: Final = {
    PinFormat.ISO_0: "26".ljust(16, "0"),
    PinFormat.ISO_2: "16".ljust(16, "0"),
}


def _read_chip_counter(waiter: Waiter) -> str:
    """Find the chip's transaction counter: it tells two purchases with one card apart."""
    if not waiter.received.has_chip:
        return ""
    data = waiter.pick(_CHIP).get("icc_data", b"")
    try:
        counter = find_tlv(decode_tlv(data), _CHIP_COUNTER_TAG) if isinstance(data, bytes) else None
    except TlvError as error:
        raise NotUnderstood("DE 55 icc_data is not well-formed BER-TLV") from error
    return counter.value.hex() if counter else ""
