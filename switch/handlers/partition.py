"""
One partition of the switch: a state machine that is fed and asked, like a sans-I/O protocol.

Inputs: inbound record, append acknowledged, issuer message, links, registry, time. Outputs: records
to append, messages for issuers, replies. Every effect waits for its record's acknowledgement; every
decision is folded into the book at once, so that a key is reserved before the next input is read.
"""

from collections.abc import Callable

from switch.codec import Dialect
from switch.domain.clock import Now
from switch.domain.payment.payment import Payment
from switch.domain.payment.routing import RoutingView
from switch.domain.upstream import UpstreamAnswer
from switch.eventlog.inbound import RequestReceived
from switch.eventlog.journal import PartitionReleased
from switch.handlers.actions import Action
from switch.handlers.answers import Answerer
from switch.handlers.book import PartitionBook
from switch.handlers.cases_side import CasesSide
from switch.handlers.intake import Intake
from switch.handlers.issuers_side import IssuersSide
from switch.handlers.management import ManagementSide
from switch.handlers.recorder import Recorder
from switch.handlers.requests import RequestsSide
from switch.handlers.settings import PartitionSettings
from switch.handlers.waiting import WaitingRoom
from switch.security.keys import Keys


class Partition:
    """
    The machine. Not thread-safe; one instance lives from one claim to its loss.

    `book` is the fold of the partition's journal up to the claim; `claim_id` is the claim's.
    """

    def __init__(
        self,
        *,
        index: int,
        claim_id: str,
        settings: PartitionSettings,
        book: PartitionBook,
        registry: RoutingView,
        keys: Keys,
        load_dialect: Callable[[str], Dialect],
    ) -> None:
        self._settings = settings
        self._book = book
        self._registry = registry
        self._recorder = Recorder(claim_id, book)
        answerer = Answerer(keys, settings.rules, settings.institution_id, book.find_payment)
        self._waiting = WaitingRoom(answerer)
        self._issuers = IssuersSide(settings, book, self._recorder, self._waiting)
        self._cases = CasesSide(settings, book, self._recorder, self._issuers)
        intake = Intake(keys, load_dialect, settings.rules.terminals)
        self._management = ManagementSide(
            index=index,
            settings=settings,
            book=book,
            registry=registry,
            intake=intake,
            recorder=self._recorder,
            waiting=self._waiting,
        )
        self._requests = RequestsSide(
            index=index,
            settings=settings,
            book=book,
            registry=registry,
            intake=intake,
            recorder=self._recorder,
            waiting=self._waiting,
            issuers=self._issuers,
            cases=self._cases,
            management=self._management,
        )
        self._note_due_boot_ms = 0

    # -- asking ---------------------------------------------------------------------------------

    def take_actions(self) -> list[Action]:
        """Hand out what is to be done, in order, and forget it."""
        actions, self._recorder.actions = self._recorder.actions, []
        return actions

    def next_wake_ms(self) -> int:
        """Say at which boot time `on_time` is wanted next."""
        due = min(
            self._note_due_boot_ms, self._cases.next_wake_ms(), self._management.next_wake_ms()
        )
        of_issuers = self._issuers.next_wake_ms()
        return due if of_issuers is None else min(due, of_issuers)

    @property
    def next_inbound_offset(self) -> int:
        """The inbound record to read next."""
        return self._recorder.next_inbound

    @property
    def unacknowledged_count(self) -> int:
        """Records on their way; the shell stops reading at its bound."""
        return self._recorder.unacknowledged_count

    @property
    def open_count(self) -> int:
        """Payments about which something is still to happen with their issuer."""
        return len(self._book.open_rrns)

    @property
    def routed_count(self) -> int:
        """Payments whose issuer has not spoken yet; a drain waits for these only."""
        return self._issuers.routed_count

    @property
    def forwarding_count(self) -> int:
        """Reversals, advices and repeated refunds that an issuer has not finally answered."""
        return sum(self.forwarding_counts.values())

    @property
    def forwarding_counts(self) -> dict[str, int]:
        """The same by the name of the link that they wait for."""
        return self._issuers.forwarding_counts

    @property
    def case_count(self) -> int:
        """Cases that somebody must look at."""
        return self._cases.open_count

    @property
    def untold_count(self) -> int:
        """Answers that could not be built; each is a fault to look into."""
        return self._waiting.fault_count

    # -- inputs ---------------------------------------------------------------------------------

    def on_claimed(self, next_offset: int, claim_acked_boot_ms: int, now: Now) -> None:
        """Begin: the journal is folded, the claim is ours, `next_offset` is the next record's."""
        self._recorder.next_offset = next_offset
        self._note_due_boot_ms = now.boot_ms + self._settings.position_note_ms
        self._issuers.resume(claim_acked_boot_ms, now)
        self._cases.begin(now)

    def on_registry_confirmed(self, boot_ms: int) -> None:
        """Take note that the registry view had reached the end of its log at `boot_ms`."""
        self._requests.registry_confirmed_boot_ms = boot_ms

    def on_links(self, links_up: tuple[str, ...], lost: frozenset[str], now: Now) -> None:
        """Take note of the links that can be sent over, and of those whose connection is gone."""
        self._issuers.change_links(links_up, lost, now)

    def on_inbound(self, offset: int, received: RequestReceived, now: Now) -> None:
        """Take the next inbound record; `now` is read before anything of it is appended."""
        self._recorder.registry_position = self._registry.position
        self._requests.take(offset, received, now)

    def on_unreadable_inbound(self, offset: int, fault: str, now: Now) -> None:
        """Park an inbound record whose bytes are not a request that this program knows."""
        self._requests.park(offset, "", fault, now)

    def release(self, owner: str, now: Now) -> None:
        """Write as the last record that this owner is done; a successor need not wait."""
        self._recorder.append((PartitionReleased(owner=owner, at=now.wall_ms),), now)

    def on_appended(self, now: Now) -> None:
        """Take the acknowledgement of the oldest record; its effects may happen now."""
        effects = self._recorder.acknowledge()
        if effects.debit_rrn:
            self._issuers.send_debit(effects, now)
        if effects.attempted is not None:
            self._issuers.send_attempt(effects.attempted, now)

    def on_issuer_message(self, answer: UpstreamAnswer, now: Now) -> None:
        """Take a message of an issuer that quotes an RRN of this partition."""
        self._issuers.take_answer(answer, now)

    def on_original(self, rrn: str, payment: Payment | None, fault: str, now: Now) -> None:
        """
        Take an original that was read back (ReadOriginal); None: there is none to be changed.

        `fault` says why it could not be read, empty if it was.
        """
        self._recorder.registry_position = self._registry.position
        self._requests.recalled(rrn, payment, fault, now)

    def on_not_sent(self, rrn: str, now: Now) -> None:
        """Learn from the shell that a debit missed its window or its link."""
        self._issuers.not_sent(rrn, now)

    def on_time(self, now: Now) -> None:
        """Do what is due: time-outs, reversals, cases, batches, a quiet partition's position."""
        self._issuers.do_due(now)
        self._cases.do_due(now)
        self._management.do_due(now)
        if self._note_due_boot_ms <= now.boot_ms:
            self._note_due_boot_ms = now.boot_ms + self._settings.position_note_ms
            self._recorder.note_position(now)
