"""One partition of the switch without network, log or clock: everything happens when it is told."""

from collections import deque
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from switch.codec import Message, load_dialect
from switch.codec.mti import response_mti
from switch.domain.clock import Now
from switch.domain.payment.events import PaymentRequested
from switch.domain.payment.rules import DecisionRules
from switch.domain.registry.view import Registry
from switch.domain.upstream import UpstreamAnswer, UpstreamRequest
from switch.eventlog.inbound import RequestReceived, decode_request, encode_request
from switch.eventlog.journal import JournalRecord, decode_record, encode_record
from switch.handlers.actions import AppendRecord, ReadOriginal, SendReply, SendUpstream
from switch.handlers.book import PartitionBook
from switch.handlers.cases_side import OPERATOR_CHANNEL
from switch.handlers.partition import Partition
from switch.handlers.recollection import Recollection
from switch.handlers.settings import PartitionSettings
from switch.handlers.translate import JSON_CHANNEL
from switch.security.keys import Keys

INDEX: Final = 1
PARTITION_COUNT: Final = 4
ACQUIRER: Final = "00000001"
DIALECT: Final = "unionpay-pos"
_GATEWAY: Final = "gw"
_WAIT_MS: Final = 5_000  # how long a terminal waits
_MINUTE_MS: Final = 60_000

Answers = Iterable[dict[str, str]]
Issuer = Callable[[UpstreamRequest], Answers]


class LonePartition:
    """
    The real state machine with its shell's part played in line.

    A record is durable as soon as it is written, an issuer answers at once or never, an original is
    read back from the few records that were marked to be kept. So memory is the partition's own.
    """

    def __init__(self, rules: DecisionRules, registry: Registry, keys: Keys, start_ms: int) -> None:
        settings = PartitionSettings(partition_count=PARTITION_COUNT, rules=rules)
        self.now = Now(start_ms, 0)
        self.dialect = load_dialect(DIALECT)
        self.keys = keys
        self.issuer: Issuer = lambda _: ()
        self.replied: SendReply | None = None
        self.opened_rrn = ""  # of the payment that the last message opened; empty if it opened none
        self.take_record: Callable[[bytes], None] | None = None
        self.kept: dict[str, list[bytes]] = {}  # RRN -> its records, until it was read back
        self.keeps_next = False
        self.record_count = self.recall_count = self.inbound_count = self.payment_count = 0
        self._minute = 0
        self.partition = Partition(
            index=INDEX,
            claim_id="claim",
            settings=settings,
            book=PartitionBook(INDEX, PARTITION_COUNT, rules),
            registry=registry,
            keys=keys,
            load_dialect=load_dialect,
        )
        self.partition.on_registry_confirmed(0)
        self.partition.on_claimed(0, 0, self.now)

    @property
    def book(self) -> PartitionBook:
        """What the partition remembers; only to be looked at."""
        return self.partition._book  # noqa: SLF001 - a measurement looks inside

    def list_open_cases(self) -> list[str]:
        """Name the cases that wait for somebody."""
        cases = self.book.cases._cases.values()  # noqa: SLF001
        return [case.case_id for case in cases if not case.is_ended]

    # -- time

    def pass_to(self, wall_ms: int) -> None:
        """Let time go on to a moment; what is due by then is done then."""
        wall_ms = max(wall_ms, self.now.wall_ms)
        self.now = now = Now(wall_ms, self.now.boot_ms + wall_ms - self.now.wall_ms)
        self.partition.on_registry_confirmed(now.boot_ms)
        if now.boot_ms >= self.partition.next_wake_ms():
            self.partition.on_time(now)
            self._pump()
        if wall_ms // _MINUTE_MS != self._minute:
            self._minute = wall_ms // _MINUTE_MS
            self.keys.minute_keys.destroy_expired(wall_ms)

    def pass_ms(self, milliseconds: int) -> None:
        """Let some time pass in one step."""
        self.pass_to(self.now.wall_ms + milliseconds)

    # -- messages

    def say(self, message: Message, wire: bytes, pan: str, expiration_date: str = "") -> None:
        """Let a terminal's message arrive, as its gateway would have written it."""
        inbound_id = f"{_GATEWAY}-{self.inbound_count}"
        key_id, sealed = self.keys.minute_keys.seal(self.now.wall_ms, wire, inbound_id)
        secret = self.dialect.secret_names
        card = self.keys.vault.protect(pan, expiration_date, inbound_id) if pan else None
        self._deliver(
            RequestReceived(
                inbound_id=inbound_id,
                gateway=_GATEWAY,
                channel=DIALECT,
                acquirer=ACQUIRER,
                partition_key="",
                mti=message.mti,
                fields={
                    name: value
                    for name, value in message.fields.items()
                    if name not in secret and isinstance(value, str)
                },
                received_at=self.now.wall_ms,
                start_before=self.now.wall_ms + _WAIT_MS,
                deadline_at=self.now.wall_ms + _WAIT_MS,
                card=card,
                minute_key_id=key_id,
                sealed_message=sealed,
                has_mac="mac" in message.fields,
            )
        )

    def ask_as_partner(self, fields: dict[str, str], pan: str = "") -> None:
        """Let a partner's request arrive."""
        self._ask(JSON_CHANNEL, fields, pan)

    def command(self, fields: dict[str, str]) -> None:
        """Let an operator's command about a case arrive."""
        self._ask(OPERATOR_CHANNEL, fields, "")

    def _ask(self, channel: str, fields: dict[str, str], pan: str) -> None:
        inbound_id = f"{_GATEWAY}-{self.inbound_count}"
        self._deliver(
            RequestReceived(
                inbound_id=inbound_id,
                gateway=_GATEWAY,
                channel=channel,
                acquirer=ACQUIRER,
                partition_key="",
                mti="",
                fields=fields,
                received_at=self.now.wall_ms,
                start_before=self.now.wall_ms + _WAIT_MS,
                deadline_at=self.now.wall_ms + _WAIT_MS,
                card=self.keys.vault.protect(pan, "3012", inbound_id) if pan else None,
            )
        )

    def set_links(self, links_up: tuple[str, ...]) -> None:
        """Say which issuers' lines are in service."""
        self.partition.on_links(links_up, frozenset(), self.now)
        self._pump()

    def read_reply(self) -> Message:
        """Open the last answer to a terminal."""
        assert self.replied is not None
        reply = self.replied.reply
        associated = reply.inbound_id + "/reply"
        wire = self.keys.minute_keys.open(reply.minute_key_id, reply.sealed_answer, associated)
        return self.dialect.decode(wire)

    # -- the shell's part

    def _deliver(self, received: RequestReceived) -> None:
        """Hand over what was read from the log: strings of its own, as after any decoding."""
        self.opened_rrn = ""
        offset, self.inbound_count = self.inbound_count, self.inbound_count + 1
        self.partition.on_inbound(offset, decode_request(encode_request(received)), self.now)
        self._pump()
        self.keeps_next = False

    def _pump(self) -> None:
        actions = deque(self.partition.take_actions())
        while actions:
            action = actions.popleft()
            match action:
                case AppendRecord(record):
                    self._append(record)
                    self.partition.on_appended(self.now)
                case SendUpstream(request):
                    self._ask_issuer(request)
                case SendReply():
                    self.replied = action
                case ReadOriginal(rrn):
                    self._read_original(rrn)
            actions.extend(self.partition.take_actions())

    def _append(self, record: JournalRecord) -> None:
        self.record_count += 1
        first = record.events[0]
        rrn = getattr(first, "rrn", "")
        if isinstance(first, PaymentRequested):
            self.payment_count += 1
            self.opened_rrn = rrn
            if self.keeps_next:
                self.kept[rrn] = []
                self.keeps_next = False
        if rrn in self.kept:
            self.kept[rrn].append(encode_record(record))
        if self.take_record is not None:
            self.take_record(encode_record(record))

    def _ask_issuer(self, request: UpstreamRequest) -> None:
        for fields in self.issuer(request):
            answer = UpstreamAnswer(
                link=request.link,
                match=request.match,
                mti=response_mti(request.mti),
                fields=_decoded(fields),
            )
            self.partition.on_issuer_message(answer, self.now)

    def _read_original(self, rrn: str) -> None:
        recollection = Recollection(rrn)
        self.recall_count += 1
        for raw in self.kept.pop(rrn, []):
            if recollection.feed(decode_record(raw)):
                break
        self.partition.on_original(rrn, recollection.payment, "", self.now)


def _decoded(fields: dict[str, str]) -> dict[str, str]:
    """Give the fields strings of their own, as a link that decodes bytes would."""
    return msgspec.json.decode(msgspec.json.encode(fields), type=dict[str, str])
