"""Writes docs/demo-world.md from the demo's data: `python -m switch.demo.world_doc`."""

import itertools
import sys
from collections.abc import Iterator, Sequence
from typing import Final

from switch.demo.issuer_behaviours import (
    ADVICE,
    AMOUNT_RULES,
    KINDS,
    REQUEST,
    REVERSAL,
    UNANSWERED_INQUIRY_PAN,
    VOID,
    AmountRule,
)
from switch.demo.refusals import PROVOCATIONS, Provocation
from switch.demo.typed_session import SESSION, TypedPart
from switch.demo.world import demo_registry_document
from switch.domain.declines import decline_of
from switch.domain.money import Money
from switch.domain.reasons import Reason
from switch.domain.registry.entities import NO_MAC
from switch.domain.transactions import TransactionType
from switch.registrar.document import (
    AcquirerEntry,
    AgentEntry,
    ApiClientEntry,
    Entry,
    IssuerEntry,
    LinkEntry,
    MerchantEntry,
    OperatorEntry,
    RouteEntry,
    TerminalEntry,
    parse_document,
)
from switch.security.ciphers import CipherName, key_check_value
from switch.security.mac import cipher_of
from switch.security.working_keys import KeyScheme

_HEAD: Final = """# The demo world

What `switch up --demo` loads into its registry, the same on every machine. Made by
`python -m switch.demo.world_doc` from `switch/demo/world.toml` and the tables beside it; tests keep
it true, type the session below and provoke every refusal against a running demo.

Keys and cards here are test data for everyone to see: never use them for anything else.
`switch registry list` shows the same from the running instance, `switch registry show KIND ID` all
about one entry.
"""
_SESSION: Final = """
## Every transaction, typed

Type these as they stand, in this order, while `switch up --demo` runs (or a part of them: each
command takes the last payment that fits it, others are named with `--stan` or `--rrn`). Each prints
a receipt; `switch payment RRN` tells the whole story of one.

```
"""
_REFUSALS: Final = """
## How to be refused

Type a command as it stands while `switch up --demo` runs; its receipt says what happened, that
nothing was debited (or that it is being returned), who must act and what to do next.
`switch pos` concerns the last payment that fits, so what must come before is named with it.

"""
_CARDS: Final = f"""
## Cards

Public test numbers, valid until 12/30. Anything else that begins like one of these goes to the same
issuer.

| card | scheme | what becomes of it |
|---|---|---|
| 6200000000000005 | UnionPay (the default card) | `demo-issuer` decides |
| 4111111111111111 | Visa | `demo-issuer` decides |
| 5555555555554444 | Mastercard | `demo-issuer` decides |
| {UNANSWERED_INQUIRY_PAN} | Mastercard | `demo-issuer` decides; it never tells a balance |
| 3566002020360505 | JCB | its issuer's line is down |
| 30569309025904 | Diners Club | its issuer's line is down; the switch stands in up to 100.00 |
| 36227206271667 | Diners Club | its issuer's line is down; nobody stands in for these |
| 378282246310005 | American Express | its issuer has no route |
| 6011111111111117 | Discover | nobody knows its issuer |
"""
_AMOUNTS: Final = """
## Amounts

The issuer simulator approves what it is asked, except where the amount means something to it. An
original that does not stand, or that has less left, is refused whatever the amount says.

| amount | of | the issuer simulator |
|---|---|---|
"""
_KIND_WORDS: Final = {
    REQUEST: "sale, hold, completion",
    VOID: "void",
    ADVICE: "refund, advice",
    REVERSAL: "reversal",
}
assert set(_KIND_WORDS) == set(KINDS)


_KEYS: Final = """
## Keys of terminals

In clear as a terminal has them; the switch holds them sealed. `switch registry show terminals ID`
shows their check values.

| key | value | cipher | check value | terminals |
|---|---|---|---|---|
"""
FIRST_ACQUIRER: Final = "00000001"  # the one that terminals belong to, if nothing else is said
CNY: Final = "156"
NAMED_COUNT_MAX: Final = 6  # a key that so many terminals share is the usual one


def write_document() -> str:
    """Write the whole page, as docs/demo-world.md must read."""
    return "".join((_HEAD, *_session(), *_refusals(), _CARDS, *_amounts(), *_entries()))


def command_of(arguments: str) -> str:
    """Write the command that provokes a refusal."""
    return f"switch pos {arguments}"


def _session() -> Iterator[str]:
    yield _SESSION
    yield "\n".join(map(_part, SESSION))
    yield "```\n"


def _part(part: TypedPart) -> str:
    width = max(len(step.command) for step in part.steps) + 2
    lines = (f"{step.command:<{width}}# {step.words}\n" for step in part.steps)
    return f"# -- {part.title}\n{''.join(lines)}"


def _refusals() -> Iterator[str]:
    yield _REFUSALS
    yield "| reason | DE 39 | why | command |\n|---|---|---|---|\n"
    for each in PROVOCATIONS:
        yield (
            f"| `{each.reason.value}` | {_response_code(each)} | {each.why} | {_commands(each)} |\n"
        )


def _commands(provocation: Provocation) -> str:
    """Write what is typed, in its order; the same several times over is written once."""
    every = (*provocation.before, provocation.arguments)
    counted = [(each, len(list(same))) for each, same in itertools.groupby(every)]
    return ", then ".join(
        f"`{command_of(each)}`" + _TIMES.get(count, f" {count} times") for each, count in counted
    )


_TIMES: Final = {1: "", 2: " twice"}


def _response_code(provocation: Provocation) -> str:
    """Name DE 39; what an issuer says is passed on."""
    if provocation.reason is Reason.ISSUER_DECLINED:
        return "the issuer's"
    return decline_of(provocation.reason).response_code


def _amounts() -> Iterator[str]:
    yield _AMOUNTS
    for rule in AMOUNT_RULES:
        kinds = "; ".join(_KIND_WORDS[kind] for kind in rule.kinds)
        yield f"| `{rule.amount}` | {kinds} | {_words_of(rule)} |\n"


def _words_of(rule: AmountRule) -> str:
    return f"{rule.words} ({rule.response_code})" if rule.response_code else rule.words


def _entries() -> Iterator[str]:
    entries = [entry for _, entry in parse_document(demo_registry_document()).entries]
    terminals = [entry for entry in entries if isinstance(entry, TerminalEntry)]
    yield "\n## Merchants\n\n"
    yield "| merchant id | name | status | MCC | agent | may do | second try |\n"
    yield "|---|---|---|---|---|---|---|\n"
    for entry in entries:
        if isinstance(entry, MerchantEntry):
            yield (
                f"| {entry.merchant_id} | {entry.name} | {entry.status.value} | {entry.mcc} "
                f"| {entry.agent_id} | {_transactions(entry)} | {_second_try(entry)} |\n"
            )
    yield "\n## Terminals\n\n| acquirer | terminal | speaks | status | merchant | batch | may do "
    yield "| MAC | sign-on |\n|---|---|---|---|---|---|---|---|---|\n"
    for entry in terminals:
        yield (
            f"| {entry.acquirer} | {entry.terminal_id} | {entry.profile} | {entry.status.value} "
            f"| {entry.merchant_id} | {entry.batch} | {_transactions(entry)} | {_mac(entry)} "
            f"| {_sign_on(entry)} |\n"
        )
    yield from _keys(terminals)
    yield "\n## The rest\n\n| what | id | |\n|---|---|---|\n"
    yield from map(_other, entries)


def _transactions(entry: MerchantEntry | TerminalEntry) -> str:
    if set(entry.transactions) == set(TransactionType) - {TransactionType.UNKNOWN}:
        return "all"
    return ", ".join(each.value for each in entry.transactions) or "nothing"


def _second_try(entry: MerchantEntry) -> str:
    window = f", {entry.duplicate_window_s} s" if entry.duplicate_window_s else ""
    return f"{entry.duplicate_policy.value}{window}"


def _mac(entry: TerminalEntry) -> str:
    if entry.mac_algorithm == NO_MAC:
        return "none needed"
    return entry.mac_algorithm if entry.mak else "no key"


def _sign_on(entry: TerminalEntry) -> str:
    """Name the keys that a sign-on hands out, and whether the terminal needs one first."""
    scheme = f"keys {entry.key_scheme}" if entry.tmk else "no keys"
    return scheme if entry.signed_on else f"needed, {scheme}"


def _name(entry: TerminalEntry) -> str:
    """Name a terminal by its number; one of another acquirer by both."""
    is_first = entry.acquirer == FIRST_ACQUIRER
    return entry.terminal_id if is_first else f"{entry.acquirer}:{entry.terminal_id}"


def _keys(terminals: Sequence[TerminalEntry]) -> Iterator[str]:
    """List each key once, with the terminals that have it."""
    owners: dict[tuple[str, str, CipherName], list[str]] = {}
    for entry in terminals:
        scheme_cipher = KeyScheme(entry.key_scheme).cipher
        mac_cipher: CipherName = (
            "des" if entry.mac_algorithm == NO_MAC else cipher_of(entry.mac_algorithm)
        )
        for name, key, cipher in (
            ("master key (TMK)", entry.tmk, scheme_cipher),
            ("PIN key (PIK)", entry.pik, scheme_cipher),
            ("MAC key (MAK)", entry.mak, mac_cipher),
        ):
            if key:
                owners.setdefault((name, key, cipher), []).append(_name(entry))
    yield _KEYS
    for (name, key, cipher), names in owners.items():
        kcv = key_check_value(bytes.fromhex(key), cipher).hex().upper()
        who = ", ".join(names) if len(names) < NAMED_COUNT_MAX else "all others that have one"
        yield f"| {name} | `{key}` | {cipher.upper()} | {kcv} | {who} |\n"


def _other(entry: Entry) -> str:
    match entry:
        case AcquirerEntry():
            return f"| acquirer | {entry.acquirer_id} | {entry.name} |\n"
        case AgentEntry():
            above = f", below {entry.parent_id}" if entry.parent_id else ""
            return f"| agent | {entry.agent_id} | {entry.status.value}{above} |\n"
        case LinkEntry():
            return f"| link | {entry.link_id} | {entry.name} |\n"
        case IssuerEntry():
            return f"| issuer | {entry.issuer_id} | {_issuer(entry)} |\n"
        case RouteEntry():
            return f"| route | {entry.route_id} | to {entry.issuer_id} by {entry.link} |\n"
        case ApiClientEntry():
            return f"| API client | {entry.client_id} | API key `{entry.api_key}` |\n"
        case OperatorEntry():
            roles = ", ".join(entry.roles)
            return f"| operator | {entry.operator_id} | {roles}; key `{entry.api_key}` |\n"
        case _:
            return ""


def _issuer(entry: IssuerEntry) -> str:
    text = f"cards {', '.join(entry.bins)}"
    if entry.zpk:
        text += f"; PIN blocks as {entry.pin_format} under the zone key `{entry.zpk}`"
    if entry.stand_in:
        limit = Money(entry.stand_in.floor_limit_minor, CNY)
        cards = ", ".join(entry.stand_in.bins) or "all of them"
        text += f"; stood in for up to {limit}: {cards}"
    return text


if __name__ == "__main__":
    sys.stdout.write(write_document())
