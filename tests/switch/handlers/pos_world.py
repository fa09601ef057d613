"""Real terminals at a real gateway before the partition: what they say is what arrives."""

from msgspec.structs import replace

from switch.codec import Message, load_dialect
from switch.domain.payment.rules import DecisionRules
from switch.domain.registry.entities import Terminal
from switch.domain.transactions import TransactionType
from switch.eventlog.inbound import decode_request
from switch.gateway.actions import Append, Send
from switch.gateway.gateway import Gateway
from switch.gateway.limits import GatewayLimits, ListenerProfile
from switch.handlers.actions import SendReply
from switch.handlers.book import PartitionBook
from switch.handlers.replay import replay_record
from switch.security.keys import pik_owner, tmk_owner
from switch.terminal.actions import Finish, SendFrame
from switch.terminal.operations import Operation
from switch.terminal.orders import PaymentOrder, SaleOrder
from switch.terminal.outcome import PosOutcome
from switch.terminal.pos import Pos
from switch.terminal.state import PosState

from .conftest import ACQUIRER, MAK, MERCHANT, PAN, TERMINAL, World

TMK = bytes.fromhex("0123456789ABCDEFFEDCBA9876543210")
PIK = bytes.fromhex("3132333435363738393A3B3C3D3E3F40")
EVERYTHING = tuple(kind for kind in TransactionType if kind is not TransactionType.UNKNOWN)
LIMITS = GatewayLimits(terminal_deadline_ms=5_000, issuer_timeout_ms=3_000)
CONNECTION = 1
RULES = DecisionRules()
HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS


class PosWorld(World):
    """
    A world whose messages come from terminals through a gateway.

    The issuer answers each debit at once with `issuer_code`; empty: it says nothing. `is_deaf`
    loses every answer on its way to the terminal.
    """

    def __init__(self, *, algorithm: str = "unionpay-ecb", scheme: str = "003") -> None:
        self.issuer_code = "00"
        self.is_deaf = False
        self.has_transport = True
        self.heard: list[bytes] = []
        self.appended: list[str] = []
        self.forwarded_count = 0
        super().__init__()
        self.algorithm, self.scheme = algorithm, scheme
        self.change_merchant(transactions=EVERYTHING)
        self.prepare_terminal()
        self.gateway = Gateway(
            LIMITS, incarnation="gw", registry=self.registry, keys=self.keys, partition_count=4
        )
        profile = ListenerProfile(
            dialect=self.dialect, channel="unionpay-pos", acquirer=ACQUIRER, has_transport=True
        )
        self.gateway.connection_opened(CONNECTION, profile, self.now)
        self.pos = self.make_pos()

    def speak(self, channel: str) -> None:
        """Go on at another listener, without the transport of the first."""
        self.dialect = load_dialect(channel)
        self.has_transport = False
        profile = ListenerProfile(dialect=self.dialect, channel=channel, acquirer=ACQUIRER)
        self.gateway.connection_lost(CONNECTION)
        self.gateway.connection_opened(CONNECTION, profile, self.now)

    def prepare_terminal(self, **changes: object) -> None:
        """Register the terminal with its master key; it has not signed on."""
        terminal = self.registry.find_terminal(ACQUIRER, TERMINAL)
        assert isinstance(terminal, Terminal)
        cipher = "sm4" if self.scheme == "006" else "des"
        fields: dict[str, object] = {
            "transactions": EVERYTHING,
            "mac_algorithm": self.algorithm,
            "key_scheme": self.scheme,
            "tmk": self.keys.seal_key(TMK, tmk_owner(terminal), cipher=cipher),
            "pik": self.keys.seal_key(PIK, pik_owner(terminal), cipher=cipher),
            "signed_on": False,
        }
        if self.algorithm != "unionpay-ecb":
            fields["mak"] = None
        self.change_terminal(**fields | changes)

    def make_pos(self, **fields: object) -> Pos:
        state = PosState(
            profile="unionpay-pos",
            terminal_id=TERMINAL,
            merchant_id=MERCHANT,
            batch="000001",
            mac_algorithm=self.algorithm,
            mak=MAK if self.algorithm == "unionpay-ecb" else b"",
            key_scheme=self.scheme,
            tmk=TMK,
            pik=PIK if self.scheme != "006" else b"",
            serial_number="SN1",
        )
        for name, value in fields.items():
            setattr(state, name, value)
        return Pos(state)

    # -- the hands ------------------------------------------------------------------------------

    def manage(self, operation: Operation, **options: bool) -> PosOutcome:
        return self.run(self.pos.start_management(operation, self.now, **options))

    def pay(
        self, operation: Operation = Operation.SALE, amount_minor: int = 100, **fields: object
    ) -> PosOutcome:
        order = PaymentOrder(
            operation=operation, pan=PAN, amount_minor=amount_minor, expiration_date="3012"
        )
        return self.run(self.pos.start_payment(replace(order, **fields), self.now))

    def reverse(self) -> PosOutcome:
        return self.run(self.pos.start_reversal("98", self.now))

    def repeat(self) -> PosOutcome:
        return self.run(self.pos.start_repeat(self.now, as_repeat=True))

    def run(self, actions: list) -> PosOutcome:
        """Carry out what a terminal wants until it prints its receipt."""
        while True:
            for action in actions:
                if isinstance(action, Finish):
                    return action.outcome
            frames = [action.frame for action in actions if isinstance(action, SendFrame)]
            actions = []
            for frame in frames:
                for answer in self.exchange(frame):
                    actions += self.pos.data_received(answer, self.now)
            if not actions:
                self.pass_ms(60_000)
                actions = self.pos.timer(self.now)

    def exchange(self, frame: bytes) -> list[bytes]:
        """Give a frame to the gateway; return the frames that come back."""
        self.heard = []
        for action in self.gateway.data_received(CONNECTION, frame, self.now):
            if isinstance(action, Append):
                received = decode_request(action.value)
                self.inbound.append(received)
                self.appended.append(action.value.decode("latin-1"))
                self.deliver(received)
            elif isinstance(action, Send):
                self.heard.append(action.frame)
        answered = len(self.sent)
        while self.issuer_code and answered and self.sent[answered - 1].send_before_boot_ms:
            sent = self.sent[answered - 1]
            if self.book.find_payment(sent.request.match.rrn).answer is not None:
                break
            self.issuer_says(self.issuer_code, index=answered - 1, authorization_id="123456")
        return [] if self.is_deaf else self.heard

    def answer_forwarded(self) -> None:
        """Let the issuer take every reversal, advice and repeat that it was sent."""
        while self.forwarded_count < len(self.sent):
            action = self.sent[self.forwarded_count]
            self.forwarded_count += 1
            if not action.send_before_boot_ms:
                self.issuer_says("00", index=self.forwarded_count - 1)

    def exchange_message(self, message: Message) -> Message:
        """Say a message of one's own making, and decode its answer."""
        framed = self.exchange(frame_message(self, message))
        return self.dialect.decode(framed[-1][13 if self.has_transport else 2 :])

    def _open_reply(self, action: SendReply) -> None:
        if action.reply.ends_wait_of:
            self.ended_waits.append(action.reply.ends_wait_of)
        for sent in self.gateway.deliver(action.reply, self.now):
            if isinstance(sent, Send):
                self.heard.append(sent.frame)

    # -- looking --------------------------------------------------------------------------------

    @property
    def till(self):
        """What the partition knows of the terminal from its own words."""
        return self.book.tills.find(ACQUIRER, MERCHANT, TERMINAL)

    def events(self, kind: type) -> list:
        return [one for record in self.journal for one in record.events if isinstance(one, kind)]

    def cases(self) -> list[str]:
        return [one.kind for one in self.events_named("CaseOpened")]

    def events_named(self, name: str) -> list:
        return [
            one for record in self.journal for one in record.events if type(one).__name__ == name
        ]


def frame_message(world: PosWorld, message: Message) -> bytes:
    """Frame a message as a terminal does: length, TPDU, header."""
    transport = bytes.fromhex("6000060000603100311003") if world.has_transport else b""
    wire = transport + world.dialect.encode(message)
    return len(wire).to_bytes(2, "big") + wire


def decide_all_again(world):
    """Fold the journal from its beginning and decide each record again."""
    book = PartitionBook(1, 4, RULES)
    for record in world.journal:
        step = replay_record(record, book, world.registry, RULES)
        assert step.is_same, (step.recorded, step.decided)
        book.apply(record)
    assert book == world.book


def read_reason(answer):
    return str(answer.fields["private_63"])[3:]


def settle_by_hand(world, stan, *, minor, count, batch="000001", **changes):
    totals = f"{minor:012d}{count:03d}{0:015d}0{0:015d}{0:015d}0"
    fields = {
        "stan": stan,
        "terminal_id": TERMINAL,
        "merchant_id": MERCHANT,
        "additional_data_private": totals,
        "currency": "156",
        "batch_data": f"00{batch}201",
        "private_63": "01 ",
        **changes,
    }
    return world.exchange_message(Message("0500", {k: v for k, v in fields.items() if v}))


def upload_by_hand(world, stan, network_code, text, **changes):
    """Send an 0320 of one's own, with a right MAC under the keys of the terminal."""
    fields = {
        "stan": stan,
        "terminal_id": TERMINAL,
        "merchant_id": MERCHANT,
        "batch_data": f"00000001{network_code}",
        **({"additional_data_private": text} if text else {}),
        **changes,
        "mac": bytes(8),
    }
    message = Message("0320", fields)
    wire = world.dialect.encode(message)
    message.fields["mac"] = world.pos._voice._mac_key.compute(wire[:-8])
    return world.exchange_message(message)


def order_sale():
    return SaleOrder(pan=PAN, amount_minor=700, expiration_date="3012")


def next_cut_over(world):
    """Say how many milliseconds there are until 23:00 in China."""
    since = (world.now.wall_ms + 9 * HOUR_MS) % DAY_MS
    return DAY_MS - since
