"""The registrar: a registry file against the registry, all of it or nothing."""

from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar, Final, assert_never

from msgspec.structs import replace

from switch.domain.registry.decide import decide_change, find_status_problems
from switch.domain.registry.entities import (
    NO_MAC,
    Acquirer,
    Agent,
    ApiClient,
    Entity,
    Issuer,
    Link,
    Merchant,
    Operator,
    Route,
    StoreGroup,
    Terminal,
    TerminalStatus,
)
from switch.domain.registry.events import (
    MerchantChanged,
    MerchantRegistered,
    RegistryEvent,
    RegistryLoaded,
)
from switch.domain.registry.references import find_problems
from switch.domain.registry.view import Registry
from switch.eventlog.port import RECORD_BYTES_MAX
from switch.eventlog.registry_record import measure_event
from switch.registrar.clear_keys import ClearKeys, SealKey, StatedKey
from switch.registrar.document import (
    AcquirerEntry,
    AgentEntry,
    ApiClientEntry,
    Entry,
    IssuerEntry,
    LinkEntry,
    LoadProblem,
    MerchantEntry,
    OperatorEntry,
    Place,
    RegistryDocument,
    RouteEntry,
    StoreGroupEntry,
    TerminalEntry,
)
from switch.security.ciphers import CipherName
from switch.security.keys import mak_owner, pik_owner, tmk_owner, zpk_owner
from switch.security.mac import cipher_of
from switch.security.working_keys import KeyScheme

ACTOR_LENGTH_MAX: Final = 64
RECORD_EVENTS_BYTES_MAX: Final = RECORD_BYTES_MAX - 1_024  # the envelope takes the rest


class RegistryRefused(Exception):
    """A registry file was refused as a whole; `problems` names every error in it."""

    retryable: ClassVar[bool] = False

    def __init__(self, problems: Sequence[LoadProblem]) -> None:
        self.problems = tuple(problems)
        lines = "".join(f"\n  {problem}" for problem in self.problems)
        super().__init__(f"nothing was loaded, {len(self.problems)} problems:{lines}")


class Registrar:
    """
    Turns what an operator wants into events; it writes nothing itself.

    Whoever calls it appends the events and applies them to the registry once they are durable,
    and asks for the next decision only then.
    """

    def __init__(self, registry: Registry, *, seal_key: SealKey, clear_keys_allowed: bool) -> None:
        """
        Decide over a registry that someone else keeps up to date.

        Args:
            registry: the view; read only here.
            seal_key: seals a clear key for its owner (`Keys.seal_key`).
            clear_keys_allowed: whether a file may hold keys in clear; for demo instances only.
        """
        self._registry = registry
        self._seal_key = seal_key
        self._clear_keys_allowed = clear_keys_allowed

    def load(self, document: RegistryDocument, actor: str, at: int) -> list[RegistryEvent]:
        """
        Decide what a file changes; loading it again changes nothing and gives no events.

        Entries that the registry has and the file has not stay as they are.

        Args:
            document: what `parse_document` read.
            actor: who asked for it, for the record.
            at: when, epoch milliseconds UTC.

        Raises:
            RegistryRefused: anything in it is wrong; nothing of it may be used.
            ValueError: no actor.
        """
        if not 1 <= len(actor) <= ACTOR_LENGTH_MAX:
            raise ValueError(f"an actor has 1 to {ACTOR_LENGTH_MAX} characters")
        problems = list(document.problems)
        candidate = self._registry.copy()
        events: list[RegistryEvent] = []
        loaded: list[tuple[Place, Entity]] = []
        first_places: dict[tuple[str, str], Place] = {}
        for place, entry in document.entries:
            first = first_places.setdefault((place.kind, place.entity_id), place)
            if first is not place:
                wrong = f"it is already in {first.kind}[{first.number}]"
                problems.append(LoadProblem(place.path_of("id"), wrong, "keep one of the two"))
                continue
            entity = self._make_entity(entry, place, at, problems)
            problems.extend(
                LoadProblem(place.path_of(problem.field), problem.wrong, problem.remedy)
                for problem in find_status_problems(self._registry, entity)
            )
            loaded.append((place, entity))
            event = decide_change(self._registry, entity)
            if event is not None:
                problems.extend(_find_size_problem(place, event))
                events.append(event)
                candidate.apply(candidate.position, event)
        for place, entity in loaded:
            problems.extend(
                LoadProblem(place.path_of(problem.field), problem.wrong, problem.remedy)
                for problem in find_problems(candidate, entity)
                if (problem.missing_kind, problem.missing_id) not in document.damaged
                and (problem.missing_kind, "") not in document.damaged
            )
        if problems:
            raise RegistryRefused(problems)
        if events:
            events.append(
                RegistryLoaded(actor=actor, at=at, digest=document.digest, change_count=len(events))
            )
        return events

    def _make_entity(
        self, entry: Entry, place: Place, at: int, problems: list[LoadProblem]
    ) -> Entity:
        keys = ClearKeys(self._seal_key, problems, are_allowed=self._clear_keys_allowed)
        match entry:
            case TerminalEntry():
                known = self._registry.find_terminal(entry.acquirer, entry.terminal_id)
                problems.extend(_find_useless_keys(entry, place, known))
                return _make_terminal(entry, place, at, known, keys)
            case IssuerEntry():
                return self._make_issuer(entry, place, keys)
            case ApiClientEntry():
                return ApiClient(
                    client_id=entry.client_id,
                    name=entry.name,
                    acquirer=entry.acquirer,
                    key_hash=keys.digest(entry.key_hash, entry.api_key, place),
                    merchants=entry.merchants,
                    status=entry.status,
                )
            case OperatorEntry():
                return Operator(
                    operator_id=entry.operator_id,
                    name=entry.name,
                    key_hash=keys.digest(entry.key_hash, entry.api_key, place),
                    roles=entry.roles,
                    status=entry.status,
                )
            case _:
                return _make_plain(entry)

    def _make_issuer(self, entry: IssuerEntry, place: Place, keys: ClearKeys) -> Issuer:
        known = self._registry.find_entity("issuers", entry.issuer_id)
        issuer = Issuer(
            issuer_id=entry.issuer_id,
            name=entry.name,
            bins=entry.bins,
            status=entry.status,
            zpk=known.zpk if isinstance(known, Issuer) else None,
            pin_format=entry.pin_format,
            stand_in=entry.stand_in.to_stand_in() if entry.stand_in else None,
        )
        stated = StatedKey("zpk", entry.zpk, entry.zpk_kcv, "des", zpk_owner(issuer))
        return replace(issuer, zpk=keys.take(stated, issuer.zpk, place))


def _find_size_problem(place: Place, event: RegistryEvent) -> Iterator[LoadProblem]:
    """One entry is one event, and an event is never cut: it must fit a record of the log."""
    size = measure_event(event)
    if size > RECORD_EVENTS_BYTES_MAX:
        wrong = f"it takes {size} bytes in the log, at most {RECORD_EVENTS_BYTES_MAX} may be"
        yield LoadProblem(place.path_of("size"), wrong, "shorten its lists, or make several of it")


def find_incomplete(events: Iterable[RegistryEvent]) -> dict[str, list[str]]:
    """Name what the merchants of these events lack to be paid: merchant id, then field names."""
    return {
        event.merchant.merchant_id: list(missing)
        for event in events
        if isinstance(event, MerchantRegistered | MerchantChanged)
        and (missing := event.merchant.missing_fields())
    }


def split_load(events: Sequence[RegistryEvent]) -> list[tuple[RegistryEvent, ...]]:
    """Cut the events of one load into log records; each part is usable before the next is there."""
    parts: list[list[RegistryEvent]] = []
    room = 0
    for event in events:
        size = measure_event(event)
        if size > room:
            parts.append([])
            room = RECORD_EVENTS_BYTES_MAX
        parts[-1].append(event)
        room -= size
    return [tuple(part) for part in parts]


def _make_terminal(
    entry: TerminalEntry, place: Place, at: int, known: Terminal | None, keys: ClearKeys
) -> Terminal:
    """Make a terminal; a key that it has stays, unless the file gives another one."""
    is_lost = entry.status is TerminalStatus.LOST
    terminal = Terminal(
        acquirer=entry.acquirer,
        terminal_id=entry.terminal_id,
        profile=entry.profile,
        status=entry.status,
        merchant_id=entry.merchant_id,
        serial_number=entry.serial_number,
        transactions=entry.transactions,
        entry_modes=entry.entry_modes,
        mac_algorithm=entry.mac_algorithm,
        mak=known.mak if known else None,
        batch=entry.batch,
        signed_on=entry.signed_on,
        amount_max_minor=entry.amount_max_minor,
        tmk=known.tmk if known else None,
        key_scheme=entry.key_scheme,
        pik=known.pik if known and _takes_pin(entry) else None,
        pin_format=entry.pin_format,
        lost_at=(known.lost_at if known and known.status is entry.status else at) if is_lost else 0,
    )
    algorithm = "" if entry.mac_algorithm == NO_MAC else entry.mac_algorithm
    mak = StatedKey(
        "mak", entry.mak, entry.mak_kcv, _mac_cipher(algorithm), mak_owner(terminal), algorithm
    )
    cipher = KeyScheme(entry.key_scheme).cipher
    tmk = StatedKey("tmk", entry.tmk, entry.tmk_kcv, cipher, tmk_owner(terminal))
    pik = StatedKey("pik", entry.pik, entry.pik_kcv, cipher, pik_owner(terminal))
    return replace(
        terminal,
        mak=keys.take(mak, terminal.mak, place),
        tmk=keys.take(tmk, terminal.tmk, place),
        pik=keys.take(pik, terminal.pik, place) if _takes_pin(entry) else None,
    )


def _mac_cipher(algorithm: str) -> CipherName:
    return cipher_of(algorithm) if algorithm else "des"


def _takes_pin(entry: TerminalEntry) -> bool:
    """Whether its PIN blocks fit DE 52; under SM4 they do not."""
    return KeyScheme(entry.key_scheme).cipher == "des"


def _find_useless_keys(
    entry: TerminalEntry, place: Place, known: Terminal | None
) -> Iterator[LoadProblem]:
    """Refuse a key that cannot be used, and to keep one for another use than it was given for."""
    takes_pin = _takes_pin(entry)
    if entry.pik and not takes_pin:
        yield LoadProblem(
            place.path_of("pik"),
            f"a PIN block under SM4 (key_scheme {entry.key_scheme}) has 16 bytes: DE 52 has 8",
            "leave pik out: this terminal pays without PIN",
        )
    if known is None:
        return
    if known.mak and not entry.mak and entry.mac_algorithm not in {NO_MAC, known.mac_algorithm}:
        yield LoadProblem(
            place.path_of("mac_algorithm"),
            f"the MAC key that it has is for {known.mac_algorithm}",
            "give the new mak as well",
        )
    if KeyScheme(entry.key_scheme).cipher == KeyScheme(known.key_scheme).cipher:
        return
    for field, kept, given in (("tmk", known.tmk, entry.tmk), ("pik", known.pik, entry.pik)):
        if kept and not given and (field != "pik" or takes_pin):
            yield LoadProblem(
                place.path_of("key_scheme"),
                f"the {field} that it has is for {known.key_scheme}, of another cipher",
                f"give the new {field} as well",
            )


def _make_plain(
    entry: AcquirerEntry | AgentEntry | StoreGroupEntry | LinkEntry | RouteEntry | MerchantEntry,
) -> Entity:
    """Make an entity of an entry that holds nothing to be sealed."""
    match entry:
        case AcquirerEntry():
            return Acquirer(
                acquirer_id=entry.acquirer_id,
                name=entry.name,
                institution_id=entry.institution_id,
            )
        case AgentEntry():
            return Agent(
                agent_id=entry.agent_id,
                name=entry.name,
                status=entry.status,
                parent_id=entry.parent_id,
            )
        case StoreGroupEntry():
            return StoreGroup(group_id=entry.group_id, name=entry.name)
        case LinkEntry():
            return Link(link_id=entry.link_id, name=entry.name, status=entry.status)
        case RouteEntry():
            return Route(
                route_id=entry.route_id,
                issuer_id=entry.issuer_id,
                link=entry.link,
                priority=entry.priority,
                status=entry.status,
            )
        case MerchantEntry():
            return _make_merchant(entry)
        case _:
            assert_never(entry)


def _make_merchant(entry: MerchantEntry) -> Merchant:
    return Merchant(
        merchant_id=entry.merchant_id,
        status=entry.status,
        name=entry.name,
        mcc=entry.mcc,
        agent_id=entry.agent_id,
        group_id=entry.group_id,
        currency=entry.currency,
        fee_plan=entry.fee_plan.to_plan() if entry.fee_plan else None,
        settlement_account=entry.settlement_account,
        transactions=entry.transactions,
        entry_modes=entry.entry_modes,
        amount_max_minor=entry.amount_max_minor,
        daily_amount_max_minor=entry.daily_amount_max_minor,
        daily_count_max=entry.daily_count_max,
        duplicate_policy=entry.duplicate_policy,
        duplicate_window_s=entry.duplicate_window_s,
    )
