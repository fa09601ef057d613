"""A terminal, a clock fed by hand and the switch's side of the line."""

from typing import Any

import pytest

from switch.codec import Message, load_dialect
from switch.codec.framing import Framer, frame_bytes
from switch.codec.mti import response_mti
from switch.codec.tpdu import Transport, answer_transport, split_transport
from switch.domain.clock import Now
from switch.security.mac import MacKey
from switch.terminal.actions import Finish, SaveState, SendFrame
from switch.terminal.operations import Operation
from switch.terminal.orders import PaymentOrder, SaleOrder
from switch.terminal.outcome import PosOutcome
from switch.terminal.pos import Pos, PosLimits
from switch.terminal.state import PosState

WALL_MS = 1_700_000_000_000
PAN = "6200000000000005"
MAK = bytes.fromhex("1C" * 8)


class Line:
    """What stands at the other end: it keeps what was sent and saved, and answers on demand."""

    def __init__(self, profile: str = "unionpay-pos", **limits: int) -> None:
        has_mac = profile == "unionpay-pos"
        self.state = PosState(
            profile=profile,
            terminal_id="00000001",
            merchant_id="898110154110001",
            mak=MAK if has_mac else b"",
            stan=122,
        )
        self.dialect = load_dialect(profile)
        self.key = MacKey("unionpay-ecb", MAK) if has_mac else None
        self.pos = Pos(self.state, PosLimits(answer_wait_ms=1_000, **limits))
        self.order = SaleOrder(amount_minor=100, pan=PAN, expiration_date="3012")

    @staticmethod
    def at(boot_ms: int) -> Now:
        return Now(WALL_MS + boot_ms, boot_ms)

    def sale(self, boot_ms: int = 0) -> bytes:
        """Begin a sale; return the frame that was sent after the state was saved."""
        return self.sent(self.pos.start_sale(self.order, self.at(boot_ms)))

    def pay(self, operation: Operation, boot_ms: int = 0, **order: Any) -> bytes:
        """Begin any payment; return its frame."""
        ordered = PaymentOrder(**{"operation": operation, "pan": PAN, "amount_minor": 100, **order})
        return self.sent(self.pos.start_payment(ordered, self.at(boot_ms)))

    def approve(self, frame: bytes, boot_ms: int = 5, **changes: Any) -> PosOutcome:
        """Answer yes; return how the operation ended."""
        return self.ended(self.pos.data_received(self.answer(frame, **changes), self.at(boot_ms)))

    def sent(self, actions: list[Any]) -> bytes:
        assert [type(action) for action in actions] in ([SaveState, SendFrame], [SendFrame])
        frame = actions[-1].frame
        assert isinstance(frame, bytes)
        return frame

    def ended(self, actions: list[Any]) -> PosOutcome:
        [finish] = [action for action in actions if isinstance(action, Finish)]
        outcome = finish.outcome
        assert isinstance(outcome, PosOutcome)
        return outcome

    def read(self, frame: bytes) -> Message:
        [payload] = Framer("binary-2").receive_data(frame)
        return self.dialect.decode(self._split(payload).message)

    def answer(self, frame: bytes, code: str = "00", *, sign: bool = True, **changes: Any) -> bytes:
        """The switch's answer to a frame."""
        [payload] = Framer("binary-2").receive_data(frame)
        transport = self._split(payload)
        asked = self.dialect.decode(transport.message)
        echoed = ("processing_code", "amount_transaction", "stan", "terminal_id", "merchant_id")
        fields: dict[str, Any] = {
            name: asked.fields[name] for name in echoed if name in asked.fields
        }
        fields |= {"response_code": code, "rrn": "010000000007", **changes}
        mti = changes.pop("mti", None) or response_mti(asked.mti)
        fields = {name: value for name, value in fields.items() if value is not None}
        fields.pop("mti", None)
        if self.key is not None and sign and asked.mti[1] not in "58":
            fields["mac"] = bytes(8)
            unsigned = self.dialect.encode(Message(mti, fields))[:-8]
            wire = unsigned + self.key.compute(unsigned)
        else:
            wire = self.dialect.encode(Message(mti, fields))
        if self.key is not None:
            wire = answer_transport(transport) + wire
        return frame_bytes("binary-2", wire)

    def _split(self, payload: bytes) -> Transport:
        return split_transport(payload) if self.key else Transport(b"", b"", payload)


@pytest.fixture
def line() -> Line:
    return Line()


@pytest.fixture
def ascii_line() -> Line:
    return Line("iso1987-ascii")
