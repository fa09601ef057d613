"""One gateway with real keys, a real registry and a hand-fed clock."""

from typing import Any

import msgspec
import pytest

from switch.codec import Message, load_dialect
from switch.codec.framing import Framer, frame_bytes
from switch.codec.tpdu import split_transport
from switch.domain.clock import Now
from switch.domain.registry.entities import Terminal, TerminalStatus
from switch.domain.registry.events import TerminalRegistered
from switch.domain.registry.view import Registry
from switch.eventlog.inbound import Reply, RequestReceived, decode_request
from switch.gateway.actions import Append, Send
from switch.gateway.gateway import Gateway
from switch.gateway.limits import GatewayLimits, ListenerProfile
from switch.security.keys import Keys, mak_owner
from switch.security.keystore import MemoryKeyStore
from switch.security.mac import MacKey

WALL_MS = 1_700_000_000_000
MAK = bytes.fromhex("1C" * 8)
# the composed sale of the public test data
SALE = bytes.fromhex(
    "005A6000060000603100311003020070240480"
    "00C0801116620000000000000500000000000000010000012330"
    "12012000303030303030303138393831313031353431313030303131353600132200000100050034384531464341"
    "45"
)
LIMITS = GatewayLimits(
    terminal_deadline_ms=5_000,
    issuer_timeout_ms=3_000,
    connection_count_max=3,
    in_flight_count_max=4,
    connection_in_flight_count_max=3,
    refusal_count_max=3,
    unproven_count_max=20,
    idle_timeout_ms=60_000,
)


class World:
    """A gateway and what its shell would remember."""

    def __init__(self) -> None:
        self.keystore = MemoryKeyStore()
        self.keys = Keys(self.keystore, minute_key_lifetime_ms=5_250)
        self.registry = Registry()
        self.unionpay = ListenerProfile(
            dialect=load_dialect("unionpay-pos"),
            channel="unionpay-pos",
            acquirer="00000001",
            has_transport=True,
        )
        self.ascii = ListenerProfile(
            dialect=load_dialect("iso1987-ascii"), channel="iso1987-ascii", acquirer="00000001"
        )
        self.add_terminal("00000001", mak=MAK)
        self.add_terminal("A0000001", profile="iso1987-ascii", mac_algorithm="none")
        self.gateway = self.new_gateway(LIMITS)

    def new_gateway(self, limits: GatewayLimits) -> Gateway:
        return Gateway(
            limits, incarnation="gw", registry=self.registry, keys=self.keys, partition_count=4
        )

    def change_limits(self, **changes: int) -> None:
        self.gateway = self.new_gateway(msgspec.structs.replace(LIMITS, **changes))

    def add_terminal(self, terminal_id: str, *, mak: bytes = b"", **fields: Any) -> None:
        terminal = Terminal(
            acquirer="00000001",
            terminal_id=terminal_id,
            status=TerminalStatus.ACTIVATED,
            **{"profile": "unionpay-pos", "merchant_id": "898110154110001", **fields},
        )
        if mak:
            sealed = self.keys.seal_key(mak, mak_owner(terminal))
            terminal = msgspec.structs.replace(terminal, mak=sealed)
        event = TerminalRegistered(terminal=terminal)
        self.registry.apply(self.registry.position, event)

    @staticmethod
    def at(boot_ms: int) -> Now:
        return Now(WALL_MS + boot_ms, boot_ms)

    def open(self, connection_id: int = 1, profile: Any = None, boot_ms: int = 0) -> None:
        opened = self.gateway.connection_opened(
            connection_id, profile or self.unionpay, self.at(boot_ms)
        )
        assert opened == []

    def feed(self, data: bytes, connection_id: int = 1, boot_ms: int = 0) -> list[Any]:
        return self.gateway.data_received(connection_id, data, self.at(boot_ms))

    def hand_over(self, data: bytes, connection_id: int = 1, boot_ms: int = 0) -> RequestReceived:
        [append] = self.feed(data, connection_id, boot_ms)
        assert isinstance(append, Append)
        return decode_request(append.value)

    def frame(self, mti: str = "0200", *, mak: bytes = MAK, **changes: Any) -> bytes:
        """A frame like the sale, with these elements (None: without it) and a MAC of its own."""
        sale = self.unionpay.dialect.decode(split_transport(SALE[2:]).message)
        fields = {**sale.fields, **changes, "mac": bytes(8)}
        fields = {name: value for name, value in fields.items() if value is not None}
        unsigned = self.unionpay.dialect.encode(Message(mti, fields))[:-8]
        signed = unsigned + MacKey("unionpay-ecb", mak).compute(unsigned)
        return frame_bytes("binary-2", SALE[2:13] + signed)

    def ascii_frame(self, mti: str = "0200", **changes: Any) -> bytes:
        fields = {
            "pan": "6200000000000005",
            "processing_code": "000000",
            "amount_transaction": "000000000100",
            "transmission_time": "1122073000",
            "stan": "000123",
            "local_time": "153000",
            "local_date": "1122",
            "expiration_date": "3012",
            "terminal_id": "A0000001",
            "merchant_id": "898110154110001",
            "currency": "156",
            **changes,
        }
        fields = {name: value for name, value in fields.items() if value is not None}
        return frame_bytes("binary-2", self.ascii.dialect.encode(Message(mti, fields)))

    def reply(
        self, request: RequestReceived, mti: str = "0210", *, has_mac: bool = True, **fields: Any
    ) -> Reply:
        """A handler's answer to a request, sealed as handlers seal it."""
        dialect = load_dialect(request.channel)
        content = {"stan": request.fields["stan"], "response_code": "00"}
        if has_mac:
            content["mac"] = b"48E1FCAE"
        answer = dialect.encode(Message(mti, content))
        key_id, sealed = self.keys.minute_keys.seal(WALL_MS, answer, request.inbound_id + "/reply")
        return Reply(
            gateway="gw",
            inbound_id=request.inbound_id,
            minute_key_id=key_id,
            sealed_answer=sealed,
            **fields,
        )

    def read(self, send: Any, profile: Any = None) -> Message:
        """The message of a Send, behind whatever its listener puts before it."""
        assert isinstance(send, Send)
        profile = profile or self.unionpay
        [frame] = Framer("binary-2").receive_data(send.frame)
        if profile.has_transport:
            frame = split_transport(frame).message
        return profile.dialect.decode(frame)

    def has_right_mac(self, send: Any) -> bool:
        wire = split_transport(send.frame[2:]).message
        return MacKey("unionpay-ecb", MAK).verify(wire[:-8], wire[-8:])


@pytest.fixture
def world() -> World:
    return World()
