"""The registrar: a registry file against the registry, all of it or nothing."""

from collections.abc import Callable, Sequence
from typing import ClassVar, Final, assert_never

import msgspec

from switch.domain.registry.decide import decide_change, find_status_problems
from switch.domain.registry.entities import (
    Acquirer,
    Agent,
    ApiClient,
    Entity,
    Issuer,
    Link,
    Merchant,
    Route,
    SealedKey,
    StoreGroup,
    Terminal,
)
from switch.domain.registry.events import RegistryEvent, RegistryLoaded
from switch.domain.registry.references import find_problems
from switch.domain.registry.view import Registry
from switch.registrar.document import (
    AcquirerEntry,
    AgentEntry,
    ApiClientEntry,
    Entry,
    IssuerEntry,
    LinkEntry,
    LoadProblem,
    MerchantEntry,
    Place,
    RegistryDocument,
    RouteEntry,
    StoreGroupEntry,
    TerminalEntry,
)
from switch.security.api_keys import hash_api_key
from switch.security.des import key_check_value
from switch.security.keys import mak_owner

ACTOR_LENGTH_MAX: Final = 64
RECORD_EVENT_COUNT_MAX: Final = 500  # about 250 KB: well inside a broker's limit for one record

SealKey = Callable[[bytes, str], SealedKey]


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
            seal_key: seals a clear working key for its owner (`Keys.seal_key`).
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
            entity = self._make_entity(entry, place, problems)
            problems.extend(
                LoadProblem(place.path_of(problem.field), problem.wrong, problem.remedy)
                for problem in find_status_problems(self._registry, entity)
            )
            loaded.append((place, entity))
            event = decide_change(self._registry, entity)
            if event is not None:
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

    def _make_entity(self, entry: Entry, place: Place, problems: list[LoadProblem]) -> Entity:
        match entry:
            case TerminalEntry():
                return self._make_terminal(entry, place, problems)
            case ApiClientEntry():
                return self._make_client(entry, place, problems)
            case _:
                return _make_plain(entry)

    def _make_terminal(
        self, entry: TerminalEntry, place: Place, problems: list[LoadProblem]
    ) -> Terminal:
        """Seal the key, unless it is the one that the terminal has (same check value)."""
        known = self._registry.find_terminal(entry.acquirer, entry.terminal_id)
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
        )
        if not entry.mak:
            return terminal
        if not self._clear_keys_allowed:
            problems.append(
                LoadProblem(
                    place.path_of("mak"),
                    "keys in clear are for demo instances only",
                    "leave it out; a key that the terminal has stays",
                )
            )
            return terminal
        clear = bytes.fromhex(entry.mak)
        if terminal.mak is not None and terminal.mak.kcv == key_check_value(clear).hex().upper():
            return terminal
        return _replace_mak(terminal, self._seal_key(clear, mak_owner(terminal)))

    def _make_client(
        self, entry: ApiClientEntry, place: Place, problems: list[LoadProblem]
    ) -> ApiClient:
        if (entry.api_key is None) == (not entry.key_hash):
            problems.append(
                LoadProblem(
                    place.path_of("key_hash"),
                    "one of key_hash and api_key must be given, not both",
                    "give key_hash; api_key is for demo instances only",
                )
            )
        if entry.api_key is not None and not self._clear_keys_allowed:
            problems.append(
                LoadProblem(
                    place.path_of("api_key"),
                    "keys in clear are for demo instances only",
                    "give key_hash instead",
                )
            )
        return ApiClient(
            client_id=entry.client_id,
            name=entry.name,
            acquirer=entry.acquirer,
            key_hash=hash_api_key(entry.api_key) if entry.api_key else entry.key_hash,
            merchants=entry.merchants,
            status=entry.status,
        )


def split_load(events: Sequence[RegistryEvent]) -> list[tuple[RegistryEvent, ...]]:
    """Cut the events of one load into log records; each part is usable before the next is there."""
    return [
        tuple(events[start : start + RECORD_EVENT_COUNT_MAX])
        for start in range(0, len(events), RECORD_EVENT_COUNT_MAX)
    ]


def _replace_mak(terminal: Terminal, mak: SealedKey) -> Terminal:
    return msgspec.structs.replace(terminal, mak=mak)


def _make_plain(
    entry: AcquirerEntry
    | AgentEntry
    | StoreGroupEntry
    | LinkEntry
    | IssuerEntry
    | RouteEntry
    | MerchantEntry,
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
        case IssuerEntry():
            return Issuer(
                issuer_id=entry.issuer_id,
                name=entry.name,
                bins=entry.bins,
                status=entry.status,
            )
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
    )
