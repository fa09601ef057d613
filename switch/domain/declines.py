"""
The catalogue of every "no": what each reason and each issuer code means, to whom, in which words.

The words are in `declines.toml`; it is read once, at import, and must name every Reason.
"""

import enum
import importlib.resources
import tomllib
from collections.abc import Mapping
from typing import Final

import msgspec

from switch.domain.payment.requests import APPROVED_CODES
from switch.domain.reasons import Reason
from switch.domain.transactions import Actor, MoneyState, Retry


class CodeClass(enum.Enum):
    """UnionPay's classes of response codes (docs/iso8583.md 6)."""

    SUCCESS = "A"
    MAY_RETRY = "B"
    FAILED = "C"
    MUST_ACT = "D"
    SYSTEM_FAULT = "E"


class IssuerOutcome(enum.Enum):
    """Whether a debit stands after an issuer's answer."""

    APPROVED = "approved"
    DECLINED = "declined"
    UNKNOWN = "unknown"


class Words(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One short text in both languages."""

    zh: str
    en: str


class Decline(msgspec.Struct, frozen=True, kw_only=True):
    """What the switch answers for one reason, and what its receipt says."""

    reason: Reason
    response_code: str
    code_class: CodeClass
    actor: Actor
    retry: Retry
    money_state: MoneyState
    zh: str
    en: str
    next_zh: str
    next_en: str


class IssuerCode(msgspec.Struct, frozen=True, kw_only=True):
    """What one response code of an issuer (DE 39) means."""

    code: str
    code_class: CodeClass
    outcome: IssuerOutcome
    actor: Actor
    retry: Retry
    zh: str
    en: str
    next_zh: str
    next_en: str

    @property
    def money_state(self) -> MoneyState:
        """Where the money is after this answer."""
        return _MONEY_AFTER[self.outcome]


_MONEY_AFTER: Final = {
    IssuerOutcome.APPROVED: MoneyState.DEBITED,
    IssuerOutcome.DECLINED: MoneyState.NOT_DEBITED,
    IssuerOutcome.UNKNOWN: MoneyState.UNKNOWN,
}


class _ReasonEntry(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"code_class": "class"}
):
    response_code: str
    code_class: CodeClass
    actor: Actor
    retry: Retry
    money_state: MoneyState
    zh: str
    en: str
    next_zh: str
    next_en: str


class _CodeEntry(
    msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename={"code_class": "class"}
):
    code_class: CodeClass
    outcome: IssuerOutcome
    actor: Actor
    retry: Retry
    zh: str
    en: str
    next_zh: str
    next_en: str


class _File(msgspec.Struct, frozen=True, forbid_unknown_fields=True, rename="kebab"):
    money: dict[MoneyState, Words]
    actor: dict[Actor, Words]
    reason: dict[Reason, _ReasonEntry]
    issuer_code: dict[str, _CodeEntry]
    other_issuer_code: _CodeEntry


class Catalogue(msgspec.Struct, frozen=True):
    """The whole catalogue, checked."""

    declines: Mapping[Reason, Decline]
    issuer_codes: Mapping[str, IssuerCode]
    other_issuer_code: IssuerCode
    money: Mapping[MoneyState, Words]
    actors: Mapping[Actor, Words]


class CatalogueError(Exception):
    """The catalogue's file is wrong; the message names every entry that is."""


def read_catalogue(text: str) -> Catalogue:
    """
    Read and check a catalogue.

    Raises:
        CatalogueError: not TOML, a missing or unknown entry, or entries that contradict each other.
    """
    try:
        file = msgspec.convert(tomllib.loads(text), _File)
    except (tomllib.TOMLDecodeError, msgspec.ValidationError) as error:
        raise CatalogueError(f"declines.toml: {error}") from error
    catalogue = Catalogue(
        declines={
            reason: Decline(reason=reason, **msgspec.structs.asdict(entry))
            for reason, entry in file.reason.items()
        },
        issuer_codes={
            code: IssuerCode(code=code, **msgspec.structs.asdict(entry))
            for code, entry in file.issuer_code.items()
        },
        other_issuer_code=IssuerCode(code="", **msgspec.structs.asdict(file.other_issuer_code)),
        money=file.money,
        actors=file.actor,
    )
    problems = _find_problems(catalogue)
    if problems:
        raise CatalogueError("declines.toml: " + "; ".join(problems))
    return catalogue


def _find_problems(catalogue: Catalogue) -> list[str]:
    """Name everything that is missing or contradicts itself."""
    problems = [
        f"[{table}.{member.value}] is missing"
        for table, members, known in (
            ("reason", list(Reason), catalogue.declines),
            ("money", list(MoneyState), catalogue.money),
            ("actor", list(Actor), catalogue.actors),
        )
        for member in members
        if member not in known
    ]
    may_retry = (Retry.NEW_ATTEMPT, Retry.SAME_KEY)
    for reason, decline in catalogue.declines.items():
        name = f"[reason.{reason.value}]"
        if decline.response_code in APPROVED_CODES or decline.code_class is CodeClass.SUCCESS:
            problems.append(f"{name} is no approval, but has the code or class of one")
        if decline.code_class is CodeClass.MAY_RETRY and decline.retry not in may_retry:
            problems.append(f"{name} has class B, but no new attempt is allowed")
        if decline.money_state is MoneyState.UNKNOWN and decline.retry in may_retry:
            problems.append(f"{name} invites a second debit while the first is unknown")
    for code, entry in catalogue.issuer_codes.items():
        name = f"[issuer-code.{code}]"
        approved = entry.outcome is IssuerOutcome.APPROVED
        if approved != (code in APPROVED_CODES):
            problems.append(f"{name} contradicts APPROVED_CODES about being an approval")
        if approved != (entry.code_class is CodeClass.SUCCESS):
            problems.append(f"{name} has outcome {entry.outcome.value}, but not its class")
        if entry.outcome is IssuerOutcome.UNKNOWN and entry.retry is Retry.NEW_ATTEMPT:
            problems.append(f"{name} invites a second debit while the first is unknown")
    return problems


CATALOGUE: Final = read_catalogue(
    importlib.resources.files("switch.domain").joinpath("declines.toml").read_text("utf-8")
)


def decline_of(reason: Reason) -> Decline:
    """Return what the switch answers for a reason; every reason has an entry."""
    return CATALOGUE.declines[reason]


def issuer_code(code: str) -> IssuerCode:
    """Return what an issuer's response code means; an unlisted one is a decline."""
    known = CATALOGUE.issuer_codes.get(code)
    if known is not None:
        return known
    return msgspec.structs.replace(CATALOGUE.other_issuer_code, code=code)


def money_words(state: MoneyState) -> Words:
    """Say where the money is, for a receipt."""
    return CATALOGUE.money[state]


def actor_words(actor: Actor) -> Words:
    """Say who must act, for a receipt."""
    return CATALOGUE.actors[actor]
