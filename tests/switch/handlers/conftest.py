"""One partition with real keys, codec and registry, stepped by hand: no loop, socket or clock."""

from collections.abc import Callable, Iterator

import msgspec
import pytest
from msgspec.structs import replace

from switch.codec import Message, load_dialect
from switch.codec.mti import response_mti
from switch.domain.clock import Now
from switch.domain.fees import FeePlan
from switch.domain.payment.events import PaymentRequested
from switch.domain.payment.requests import Answer
from switch.domain.registry.entities import (
    Agent,
    AgentStatus,
    Issuer,
    Link,
    Merchant,
    MerchantStatus,
    Route,
    Terminal,
    TerminalStatus,
)
from switch.domain.registry.events import (
    AgentRegistered,
    IssuerChanged,
    IssuerRegistered,
    LinkRegistered,
    MerchantChanged,
    MerchantRegistered,
    RegistryEvent,
    RouteRegistered,
    TerminalChanged,
    TerminalRegistered,
)
from switch.domain.registry.view import Registry
from switch.domain.terminal.batches import following_batch
from switch.domain.terminal.events import BatchClosed
from switch.domain.transactions import TransactionType
from switch.domain.upstream import UpstreamAnswer
from switch.eventlog.inbound import RequestReceived
from switch.eventlog.journal import JournalRecord, decode_record, encode_record
from switch.eventlog.journal_place import JOURNAL_START
from switch.handlers.actions import AppendRecord, ReadOriginal, SendReply, SendUpstream
from switch.handlers.book import PartitionBook
from switch.handlers.lanes import LaneSettings
from switch.handlers.partition import Partition
from switch.handlers.recollection import Recollection
from switch.handlers.replay import replay_record
from switch.handlers.settings import PartitionSettings
from switch.handlers.snapshot import SnapshotDecoder, encode_snapshot, make_origin
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore
from switch.security.mac import MacKey

from .cashier import Till

MERCHANT, TERMINAL, ACQUIRER = "898110154110001", "00000001", "demo"
PAN = "6200000000000005"
MAK = bytes.fromhex("1C1C1C1C1C1C1C1C")
START = Now(wall_ms=1_700_000_000_000, boot_ms=50_000)
SETTINGS = PartitionSettings(
    partition_count=4,
    issuer_timeout_ms=3_000,
    lanes=LaneSettings(first_repeat_ms=1_000, repeat_max_ms=5_000, issuer_delay_max_ms=6_000),
)


class LoggedRegistry(Registry):
    """A registry that keeps what it was told, to be read again from the beginning."""

    def __init__(self) -> None:
        super().__init__()
        self.log: list[tuple[int, RegistryEvent]] = []

    def apply(self, offset: int, event: RegistryEvent) -> None:
        self.log.append((offset, event))
        super().apply(offset, event)


def make_registry(keys: Keys) -> LoggedRegistry:
    registry = LoggedRegistry()
    transactions = tuple(kind for kind in TransactionType if kind is not TransactionType.UNKNOWN)
    terminal = Terminal(
        acquirer=ACQUIRER,
        terminal_id=TERMINAL,
        profile="unionpay-pos",
        status=TerminalStatus.ACTIVATED,
        merchant_id=MERCHANT,
        serial_number="SN1",
        transactions=transactions,
        mak=keys.seal_key(MAK, f"mak:{ACQUIRER}:{TERMINAL}"),
        batch="000001",
        signed_on=True,
    )
    events = [
        AgentRegistered(agent=Agent(agent_id="agent", name="A", status=AgentStatus.ACTIVE)),
        MerchantRegistered(
            merchant=Merchant(
                merchant_id=MERCHANT,
                status=MerchantStatus.ACTIVATED,
                name="Shop",
                mcc="5411",
                agent_id="agent",
                currency="156",
                fee_plan=FeePlan(rate_ppm=6_000),
                settlement_account="****1234",
                transactions=transactions,
            )
        ),
        TerminalRegistered(terminal=terminal),
        IssuerRegistered(issuer=Issuer(issuer_id="bank", name="Bank", bins=("62",))),
        LinkRegistered(link=Link(link_id="issuer-1", name="line")),
        RouteRegistered(route=Route(route_id="r1", issuer_id="bank", link="issuer-1", priority=1)),
    ]
    for offset, event in enumerate(events):
        registry.apply(offset, event)
    return registry


class World:
    """The partition, what it wrote, sent and answered, and the hands that move it."""

    def __init__(self) -> None:
        self.keystore = MemoryKeyStore()
        self.keys = Keys(self.keystore, minute_key_lifetime_ms=60_000)
        self.registry = make_registry(self.keys)
        self.dialect = load_dialect("unionpay-pos")
        self.now = START
        self.journal: list[JournalRecord] = []
        self.unacknowledged: list[JournalRecord] = []
        self.inbound: list[RequestReceived] = []
        self.sent: list[SendUpstream] = []
        self.replies: dict[str, list[Message]] = {}
        self.raw_replies: dict[str, list[bytes]] = {}
        self.ended_waits: list[str] = []
        self.resources: dict[str, tuple[int, dict[str, object]]] = {}  # what partners were told
        self.wanted_originals: list[str] = []
        self.claim_count = 0
        self.is_replayable = True  # a test that tampers with the machine says no
        self.restart()

    # -- the hands ------------------------------------------------------------------------------

    def restart(self, restored: PartitionBook | None = None) -> None:
        """Lose all state and all that was not acknowledged; fold the journal, or take a book."""
        self.claim_count += 1
        book = PartitionBook(1, SETTINGS.partition_count, SETTINGS.rules)
        for record in self.journal:
            book.apply(record)
        self.book = restored or book
        self.unacknowledged = []
        self.partition = Partition(
            index=1,
            claim_id=f"claim-{self.claim_count}",
            settings=SETTINGS,
            book=self.book,
            registry=self.registry,
            keys=self.keys,
            load_dialect=load_dialect,
        )
        self.partition.on_registry_confirmed(self.now.boot_ms)
        self.partition.on_claimed(len(self.journal), self.now.boot_ms, self.now)
        self.partition.on_links(("issuer-1",), frozenset(), self.now)
        self.pump()

    def pump(self) -> None:
        for action in self.partition.take_actions():
            if isinstance(action, AppendRecord):
                self.unacknowledged.append(decode_record(encode_record(action.record)))
                assert self.unacknowledged[-1] == action.record
            elif isinstance(action, SendUpstream):
                self.sent.append(action)
            elif isinstance(action, SendReply):
                self._open_reply(action)
            elif isinstance(action, ReadOriginal):
                self.wanted_originals.append(action.rrn)

    def acknowledge(self) -> None:
        """Make everything durable that was written, and whatever follows from it."""
        while self.unacknowledged:
            self.journal.append(self.unacknowledged.pop(0))
            self.partition.on_appended(self.now)
            self.pump()

    def pass_ms(self, milliseconds: int, *, acknowledged: bool = True) -> None:
        for _ in range(0, milliseconds, 100):
            self.now = Now(self.now.wall_ms + 100, self.now.boot_ms + 100)
            self.partition.on_registry_confirmed(self.now.boot_ms)
            self.partition.on_time(self.now)
            self.pump()
            if acknowledged:
                self.acknowledge()

    def send(self, message: Message, *, acknowledged: bool = True) -> str:
        """Let a terminal's message arrive as its gateway would write it; return its inbound id."""
        wire = self.dialect.encode(message)
        inbound_id = f"gw-{len(self.inbound)}"
        key_id, sealed = self.keys.minute_keys.seal(self.now.wall_ms, wire, inbound_id)
        clear = {
            name: value
            for name, value in message.fields.items()
            if isinstance(value, str) and name not in self.dialect.secret_names
        }
        pan = str(message.fields["pan"])
        received = RequestReceived(
            inbound_id=inbound_id,
            gateway="gw",
            channel="unionpay-pos",
            acquirer=ACQUIRER,
            partition_key=f"{ACQUIRER}|{message.fields['merchant_id']}",
            mti=message.mti,
            fields=clear,
            received_at=self.now.wall_ms,
            start_before=self.now.wall_ms + 1_750,
            deadline_at=self.now.wall_ms + 5_000,
            card=self.keys.vault.protect(pan, "3012", inbound_id),
            minute_key_id=key_id,
            sealed_message=sealed,
            has_mac=True,
            has_chip="icc_data" in message.fields,
            has_secrets=bool({"icc_data", "track2", "pin_block"} & set(message.fields)),
            has_track="track2" in message.fields,
            has_pin="pin_block" in message.fields,
        )
        self.inbound.append(received)
        return self.deliver(received, acknowledged=acknowledged)

    def deliver(self, received: RequestReceived, *, acknowledged: bool = True) -> str:
        self.partition.on_inbound(self.inbound.index(received), received, self.now)
        self.pump()
        if acknowledged:
            self.acknowledge()
        return received.inbound_id

    def add_terminal(self, terminal_id: str, **changes: object) -> None:
        """Register another terminal of the shop, with the same key."""
        first = self.registry.find_terminal(ACQUIRER, TERMINAL)
        assert first is not None
        sealed = self.keys.seal_key(MAK, f"mak:{ACQUIRER}:{terminal_id}")
        terminal = replace(first, terminal_id=terminal_id, mak=sealed, **changes)
        self.registry.apply(self.registry.position, TerminalRegistered(terminal=terminal))

    def change_terminal(self, terminal_id: str = TERMINAL, **changes: object) -> None:
        terminal = self.registry.find_terminal(ACQUIRER, terminal_id)
        event = TerminalChanged(terminal=replace(terminal, **changes))
        self.registry.apply(self.registry.position, event)

    def change_merchant(self, **changes: object) -> None:
        merchant = self.registry.find_merchant(MERCHANT)
        event = MerchantChanged(merchant=replace(merchant, **changes))
        self.registry.apply(self.registry.position, event)

    def change_issuer(self, **changes: object) -> None:
        issuer = self.registry.find_issuer("62000000")
        event = IssuerChanged(issuer=replace(issuer, **changes))
        self.registry.apply(self.registry.position, event)

    def set_line(self, *, is_up: bool) -> None:
        """Lose the issuer's line, or let it come back."""
        links, lost = (("issuer-1",), frozenset()) if is_up else ((), frozenset({"issuer-1"}))
        self.partition.on_links(links, lost, self.now)
        self.pump()
        self.acknowledge()

    def read_originals(self, fault: str = "") -> None:
        """Read what the partition wants back from its journal, as its shell would."""
        wanted, self.wanted_originals = self.wanted_originals, []
        for rrn in wanted:
            recollection = Recollection(rrn)
            for record in self.journal:
                if fault or recollection.feed(record):
                    break
            payment = None if fault else recollection.payment
            self.partition.on_original(rrn, payment, fault, self.now)
            self.pump()
        self.acknowledge()

    def close_batch(self, batch: str, terminal_id: str = TERMINAL) -> str:
        """Let a terminal's batch be closed, balanced; return the number of the next one."""
        totals = self.book.tills.total_batch((ACQUIRER, MERCHANT, terminal_id), batch)
        closed = BatchClosed(
            acquirer=ACQUIRER,
            merchant_id=MERCHANT,
            terminal_id=terminal_id,
            batch=batch,
            stan="000000",
            fingerprint="",
            totals=totals,
            claimed=totals,
            is_balanced=True,
            answer=Answer(response_code="00", at=self.now.wall_ms),
            next_batch=following_batch(batch),
        )
        self.partition._recorder.append((closed,), self.now)
        self.pump()
        self.acknowledge()
        return closed.next_batch

    def jump(self, milliseconds: int) -> None:
        """Let the wall clock go on and nothing else: a day passes in one step."""
        self.now = Now(self.now.wall_ms + milliseconds, self.now.boot_ms)

    def issuer_says(self, code: str, *, index: int = -1, **fields: str) -> None:
        """Answer the index-th message that went upstream."""
        request = self.sent[index].request
        answer = UpstreamAnswer(
            link="issuer-1",
            match=request.match,
            mti=response_mti(request.mti),
            fields={"response_code": code, **fields},
        )
        self.partition.on_issuer_message(answer, self.now)
        self.pump()
        self.acknowledge()

    def answer_of_issuer(
        self, rrn: str, code: str, *, kind: str = "payment", **fields: str
    ) -> None:
        """Answer the last message about a payment that went upstream."""
        index = max(
            n
            for n, action in enumerate(self.sent)
            if (action.request.match.rrn, action.request.match.message_class) == (rrn, kind)
        )
        self.issuer_says(code, index=index, **fields)

    # -- looking --------------------------------------------------------------------------------

    def _open_reply(self, action: SendReply) -> None:
        reply = action.reply
        if not reply.minute_key_id:
            self.resources[reply.inbound_id] = (reply.status, msgspec.json.decode(reply.body))
            return
        wire = self.keys.minute_keys.open(
            reply.minute_key_id, reply.sealed_answer, reply.inbound_id + "/reply"
        )
        message = self.dialect.decode(wire)
        if "mac" in message.fields:
            assert MacKey("unionpay-ecb", MAK).verify(wire[:-8], wire[-8:])
        self.replies.setdefault(reply.inbound_id, []).append(message)
        self.raw_replies.setdefault(reply.inbound_id, []).append(wire)
        if reply.ends_wait_of:
            self.ended_waits.append(reply.ends_wait_of)

    def answers(self, inbound_id: str) -> list[str]:
        return [str(m.fields["response_code"]) for m in self.replies.get(inbound_id, [])]

    def remark(self, inbound_id: str) -> str:
        return str(self.replies[inbound_id][-1].fields["private_63"])[3:]

    def rrn_of(self, inbound_id: str) -> str:
        """Give the RRN of the payment that a message opened; empty if it opened none."""
        offset = next(n for n, one in enumerate(self.inbound) if one.inbound_id == inbound_id)
        for record in (*self.journal, *self.unacknowledged):
            fact = record.events[0]
            if record.inbound_offset == offset and isinstance(fact, PaymentRequested):
                return fact.rrn
        return ""

    def check_replay(self) -> None:
        """Decide the whole journal again, over the registry as it was: docs/design.md 3."""
        book = PartitionBook(1, SETTINGS.partition_count, SETTINGS.rules)
        registry, log = Registry(), list(self.registry.log)
        for record in self.journal:
            while log and log[0][0] < record.registry_position:
                registry.apply(*log.pop(0))
            step = replay_record(record, book, registry, SETTINGS.rules)
            assert step.is_same, f"decided {step.decided}, recorded {step.recorded}"
            book.apply(record)
        if not self.unacknowledged:
            assert book == self.book
        self.check_snapshot()

    def check_snapshot(self) -> None:
        """Write down and read back the book of this world: nothing may be missing, or moved."""
        origin = make_origin(
            partition=1,
            partition_count=SETTINGS.partition_count,
            code_digest="",
            rules=SETTINGS.rules,
        )
        decoder = SnapshotDecoder(origin, SETTINGS.rules)
        for frame in encode_snapshot(self.book, JOURNAL_START, origin):
            decoder.feed(frame)
        assert decoder.finish().book == self.book

    def tags(self) -> list[str]:
        return [type(event).__name__ for record in self.journal for event in record.events]

    def sent_kinds(self) -> list[str]:
        return [action.request.mti for action in self.sent]


@pytest.fixture
def world() -> Iterator[World]:
    """A world; whatever a test has made of it must come out the same if it is decided again."""
    world = World()
    yield world
    if world.is_replayable:
        world.check_replay()


SaleMaker = Callable[..., Message]


@pytest.fixture
def make_message(world: World) -> SaleMaker:
    """Build a sale (or its reversal) with a right MAC; any field can be changed before the MAC."""

    def build(mti: str = "0200", *, wrong_mac: bool = False, **changes: str) -> Message:
        fields: dict[str, str | bytes] = {
            "pan": PAN,
            "processing_code": "000000",
            "amount_transaction": "000000000100",
            "stan": "000123",
            "expiration_date": "3012",
            "pos_entry_mode": "012",
            "pos_condition_code": "00",
            "terminal_id": TERMINAL,
            "merchant_id": MERCHANT,
            "currency": "156",
            "batch_data": "2200000100050",
        }
        if mti.startswith("04"):
            fields["response_code"] = "98"
        fields.update(changes)
        fields = {name: value for name, value in fields.items() if value != ""}
        fields["mac"] = bytes(8)
        wire = world.dialect.encode(Message(mti=mti, fields=fields))
        fields["mac"] = MacKey("unionpay-ecb", MAK).compute(wire[:-8])
        if wrong_mac:
            fields["mac"] = b"00000000"
        return Message(mti=mti, fields=fields)

    return build


@pytest.fixture
def till(world: World, make_message: Callable[..., Message]) -> Till:
    return Till(world, make_message, TERMINAL)


@pytest.fixture
def other_till(world: World, make_message: Callable[..., Message]) -> Till:
    """Another terminal of the same merchant."""
    world.add_terminal("00000002")
    return Till(world, make_message, "00000002")
