"""The registry file that an operator loads: TOML tables; every error in it is found at once."""

import hashlib
import tomllib
import types
import typing
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import msgspec

from switch.domain.fees import FeePlan
from switch.domain.registry.entities import (
    AgentStatus,
    DuplicatePolicy,
    MerchantStatus,
    ServiceStatus,
    StandIn,
    TerminalStatus,
)
from switch.domain.transactions import TransactionType
from switch.registrar.field_types import (
    KEY_FIELDS,
    ApiKey,
    Batch,
    Bin,
    CheckValue,
    ClearKey,
    Count,
    Currency,
    EntryMode,
    Identifier,
    InstitutionId,
    KeyHash,
    KeyScheme,
    Limit,
    MacAlgorithm,
    MaskedAccount,
    Mcc,
    MerchantId,
    Name,
    OperatorRole,
    OptionalMerchantId,
    OptionalName,
    PinFormat,
    Priority,
    Profile,
    RatePpm,
    Reference,
    SerialNumber,
    TerminalId,
    WindowSeconds,
)


class _Entry(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One table of a registry file."""


class AcquirerEntry(_Entry, frozen=True, kw_only=True):
    """`[[acquirers]]`."""

    acquirer_id: Identifier
    name: Name
    institution_id: InstitutionId


class AgentEntry(_Entry, frozen=True, kw_only=True):
    """`[[agents]]`."""

    agent_id: Identifier
    name: Name
    status: AgentStatus
    parent_id: Reference = ""


class StoreGroupEntry(_Entry, frozen=True, kw_only=True):
    """`[[groups]]`."""

    group_id: Identifier
    name: Name


class LinkEntry(_Entry, frozen=True, kw_only=True):
    """`[[links]]`."""

    link_id: Identifier
    name: Name
    status: ServiceStatus = ServiceStatus.IN_SERVICE


class StandInEntry(_Entry, frozen=True, kw_only=True):
    """`stand_in = { floor_limit_minor = 10000, bins = ["36"] }`."""

    floor_limit_minor: Limit
    bins: tuple[Bin, ...] = ()

    def to_stand_in(self) -> StandIn:
        """Give the terms of the domain."""
        return StandIn(floor_limit_minor=self.floor_limit_minor, bins=self.bins)


class IssuerEntry(_Entry, frozen=True, kw_only=True):
    """`[[issuers]]`; `zpk` in clear is for demo instances, left out it stays as it was."""

    issuer_id: Identifier
    name: Name
    bins: tuple[Bin, ...]
    status: ServiceStatus = ServiceStatus.IN_SERVICE
    zpk: ClearKey = ""
    zpk_kcv: CheckValue = ""
    pin_format: PinFormat = "iso-0"
    stand_in: StandInEntry | None = None


class RouteEntry(_Entry, frozen=True, kw_only=True):
    """`[[routes]]`."""

    route_id: Identifier
    issuer_id: Reference
    link: Reference
    priority: Priority = 0
    status: ServiceStatus = ServiceStatus.IN_SERVICE


class FeePlanEntry(_Entry, frozen=True, kw_only=True):
    """`fee_plan = { rate_ppm = 3800, cap_minor = 3500 }`."""

    rate_ppm: RatePpm
    min_minor: Limit = 0
    cap_minor: Limit | None = None
    is_returned_on_refund: bool = True

    def to_plan(self) -> FeePlan:
        """Give the fee plan of the domain."""
        return FeePlan(
            rate_ppm=self.rate_ppm,
            min_minor=self.min_minor,
            cap_minor=self.cap_minor,
            is_returned_on_refund=self.is_returned_on_refund,
        )


class MerchantEntry(_Entry, frozen=True, kw_only=True):
    """
    `[[merchants]]`; what is left out is missing, and its payments are declined.

    `duplicate_policy` is for a cashier's second try (same card, amount and terminal, another trace
    number) while the outcome of the first is unknown, and for `duplicate_window_s` after it.
    """

    merchant_id: MerchantId
    status: MerchantStatus
    name: OptionalName = ""
    mcc: Mcc = ""
    agent_id: Reference = ""
    group_id: Reference = ""
    currency: Currency = ""
    fee_plan: FeePlanEntry | None = None
    settlement_account: MaskedAccount = ""
    transactions: tuple[TransactionType, ...] = ()
    entry_modes: tuple[EntryMode, ...] = ()
    amount_max_minor: Limit | None = None
    daily_amount_max_minor: Limit | None = None
    daily_count_max: Count | None = None
    duplicate_policy: DuplicatePolicy = DuplicatePolicy.REFUSE
    duplicate_window_s: WindowSeconds = 0


class TerminalEntry(_Entry, frozen=True, kw_only=True):
    """
    `[[terminals]]`; keys in clear are for demo instances, left out they stay as they were.

    `mak` proves messages, `pik` is for PIN blocks. With `tmk`, its master key, a terminal is given
    new ones at sign-on, in the form of `key_scheme`: 001 for keys of single length, 003 for a PIN
    key of double length, 004 with a track key too, 006 for SM4.
    """

    acquirer: Reference
    terminal_id: TerminalId
    profile: Profile
    status: TerminalStatus
    merchant_id: OptionalMerchantId = ""
    serial_number: SerialNumber = ""
    transactions: tuple[TransactionType, ...] = ()
    entry_modes: tuple[EntryMode, ...] = ()
    mac_algorithm: MacAlgorithm = "unionpay-ecb"
    mak: ClearKey = ""
    mak_kcv: CheckValue = ""
    tmk: ClearKey = ""
    tmk_kcv: CheckValue = ""
    key_scheme: KeyScheme = "003"
    pik: ClearKey = ""
    pik_kcv: CheckValue = ""
    pin_format: PinFormat = "iso-0"
    batch: Batch = ""
    signed_on: bool = False
    amount_max_minor: Limit | None = None


class ApiClientEntry(_Entry, frozen=True, kw_only=True):
    """`[[clients]]`; `key_hash`, or for demo instances `api_key` in clear."""

    client_id: Identifier
    name: Name
    acquirer: Reference
    key_hash: KeyHash = ""
    api_key: ApiKey | None = None
    merchants: tuple[MerchantId, ...] = ()
    status: ServiceStatus = ServiceStatus.IN_SERVICE


class OperatorEntry(_Entry, frozen=True, kw_only=True):
    """
    `[[operators]]`; `key_hash`, or for demo instances `api_key` in clear.

    `roles`: `view` shows cases, `resolve` decides them, `registry` changes this registry. What
    takes two persons takes two operators.
    """

    operator_id: Identifier
    name: Name
    key_hash: KeyHash = ""
    api_key: ApiKey | None = None
    roles: tuple[OperatorRole, ...] = ()
    status: ServiceStatus = ServiceStatus.IN_SERVICE


Entry = (
    AcquirerEntry
    | AgentEntry
    | StoreGroupEntry
    | LinkEntry
    | IssuerEntry
    | RouteEntry
    | MerchantEntry
    | TerminalEntry
    | ApiClientEntry
    | OperatorEntry
)
# in the order in which they must exist: nothing refers to what comes after it
TABLES: Final[Mapping[str, tuple[type[Entry], tuple[str, ...]]]] = {
    "acquirers": (AcquirerEntry, ("acquirer_id",)),
    "agents": (AgentEntry, ("agent_id",)),
    "groups": (StoreGroupEntry, ("group_id",)),
    "links": (LinkEntry, ("link_id",)),
    "issuers": (IssuerEntry, ("issuer_id",)),
    "routes": (RouteEntry, ("route_id",)),
    "merchants": (MerchantEntry, ("merchant_id",)),
    "terminals": (TerminalEntry, ("acquirer", "terminal_id")),
    "clients": (ApiClientEntry, ("client_id",)),
    "operators": (OperatorEntry, ("operator_id",)),
}


class LoadProblem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a registry file: where, what, and what to do."""

    path: str
    wrong: str
    remedy: str

    def __str__(self) -> str:
        """Say it in one line."""
        return f"{self.path}: {self.wrong}; {self.remedy}"


class Place(NamedTuple):
    """Where an entry stands: `merchants[3]` and its id."""

    kind: str
    number: int
    entity_id: str

    def path_of(self, field: str) -> str:
        """Name one field of the entry: `merchants[3] 898110154110001: mcc`."""
        return " ".join(f"{self.kind}[{self.number}] {self.entity_id}".split()) + f": {field}"


class RegistryDocument(NamedTuple):
    """
    A registry file as read: entries that can be used, and what is wrong with the others.

    `damaged` names (kind, id) of entries that could not be read, so that references to them are
    not reported as well; an id of "" stands for one that could not be read either. `digest` is the
    SHA-256 of the file.
    """

    entries: tuple[tuple[Place, Entry], ...]
    problems: tuple[LoadProblem, ...]
    damaged: frozenset[tuple[str, str]]
    digest: str


def parse_document(content: bytes) -> RegistryDocument:
    """Read a registry file as far as it can be read; what is wrong is in `problems`."""
    digest = hashlib.sha256(content).hexdigest()
    try:
        tables = tomllib.loads(content.decode())
    except UnicodeDecodeError:
        problem = LoadProblem("the file", "it is not UTF-8", "save it as UTF-8 text")
        return RegistryDocument((), (problem,), frozenset(), digest)
    except (ValueError, RecursionError) as error:  # a number of 5,000 digits, a thousand brackets
        problem = LoadProblem("the file", f"it is not TOML: {error}", "correct this place first")
        return RegistryDocument((), (problem,), frozenset(), digest)
    problems = [
        LoadProblem(kind, "there is no such table", "use one of: " + ", ".join(TABLES))
        for kind in tables
        if kind not in TABLES
    ]
    entries: list[tuple[Place, Entry]] = []
    damaged: set[tuple[str, str]] = set()
    for kind, (entry_type, id_fields) in TABLES.items():
        rows = tables.get(kind, [])
        if not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
            problems.append(
                LoadProblem(kind, "it is not a list of tables", f"write each one as [[{kind}]]")
            )
            damaged.add((kind, ""))
            continue
        for index, row in enumerate(rows):
            place = Place(kind, index, _read_id(row, id_fields))
            try:
                entries.append((place, msgspec.convert(row, entry_type)))
            except msgspec.ValidationError as error:
                damaged.add((kind, place.entity_id))
                problems.extend(_find_problems(entry_type, row, place, error))
    return RegistryDocument(tuple(entries), tuple(problems), frozenset(damaged), digest)


def _read_id(row: Mapping[str, object], id_fields: tuple[str, ...]) -> str:
    parts = [row.get(field) for field in id_fields]
    if not all(isinstance(part, str) for part in parts):
        return ""
    return ":".join(str(part) for part in parts)


def _find_problems(
    entry_type: type[Entry],
    row: Mapping[str, object],
    place: Place,
    first: msgspec.ValidationError,
) -> list[LoadProblem]:
    """Go through a bad table field by field; `first` is what was found at once."""
    fields = {field.name: field for field in msgspec.structs.fields(entry_type)}
    found = [
        LoadProblem(
            place.path_of(name), "there is no such field", "use: " + ", ".join(sorted(fields))
        )
        for name in row
        if name not in fields
    ]
    for name, field in fields.items():
        if name not in row:
            if field.required:
                found.append(LoadProblem(place.path_of(name), "it is missing", _remedy(field.type)))
            continue
        try:
            msgspec.convert(row[name], field.type)
        except msgspec.ValidationError as error:
            wrong = "it cannot be used" if name in KEY_FIELDS else _explain(error)
            found.append(LoadProblem(place.path_of(name), wrong, _remedy(field.type)))
    return found or [LoadProblem(place.path_of("entry"), _explain(first), "correct it")]


def _explain(error: msgspec.ValidationError) -> str:
    """Say what is wrong without regular expressions."""
    text, _, at = str(error).partition(" - at ")
    if "matching regex" in text:
        text = "it has another form"
    return f"{text[0].lower()}{text[1:]}" + (f" (at {at})" if at else "")


def _remedy(annotation: object) -> str:
    """Say what the value must be."""
    return "give " + (next(describe(annotation), "") or "a value of the right kind")


def describe(annotation: object) -> Iterator[str]:
    """Find the descriptions and choices of a type, however deep they are."""
    if isinstance(annotation, type) and hasattr(annotation, "__members__"):
        yield "one of: " + ", ".join(str(member.value) for member in annotation)  # type: ignore[attr-defined]
        return
    for part in getattr(annotation, "__metadata__", ()):
        if isinstance(part, msgspec.Meta) and part.description:
            yield part.description
    origin = typing.get_origin(annotation)
    if origin is typing.Literal:
        yield "one of: " + ", ".join(str(choice) for choice in typing.get_args(annotation))
    elif origin is tuple or origin is types.UnionType or origin is typing.Union:
        for part in typing.get_args(annotation):
            yield from describe(part)
