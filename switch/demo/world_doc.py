"""Writes docs/demo-world.md from the demo's data: `python -m switch.demo.world_doc`."""

import sys
from collections.abc import Iterator
from typing import Final

from switch.demo.refusals import PROVOCATIONS, Provocation
from switch.demo.world import demo_registry_document
from switch.domain.declines import decline_of
from switch.domain.reasons import Reason
from switch.domain.registry.entities import NO_MAC
from switch.registrar.document import (
    AcquirerEntry,
    AgentEntry,
    ApiClientEntry,
    Entry,
    IssuerEntry,
    LinkEntry,
    MerchantEntry,
    RouteEntry,
    TerminalEntry,
    parse_document,
)

_HEAD: Final = """# The demo world

What `switch up --demo` loads into its registry, the same on every machine. Made from
`switch/demo/world.toml` and `switch/demo/refusals.py` by `python -m switch.demo.world_doc`; tests
keep it true, and provoke every refusal below against a running demo.

Keys and cards here are test data for everyone to see: never use them for anything else.
`switch registry list` shows the same from the running instance, `switch registry show KIND ID` all
about one entry.
"""
_REFUSALS: Final = """
## How to be refused

Type a command as it stands while `switch up --demo` runs; its receipt says what happened, that
nothing was debited (or that it is being returned), who must act and what to do next.

"""
_CARDS: Final = """
## Cards

Public test numbers, valid until 12/30. Anything else that begins like one of these goes to the same
issuer.

| card | scheme | what becomes of it |
|---|---|---|
| 6200000000000005 | UnionPay (the default card) | `demo-issuer` decides |
| 4111111111111111 | Visa | `demo-issuer` decides |
| 5555555555554444, 2223003122003222 | Mastercard | `demo-issuer` decides |
| 3566002020360505 | JCB | its issuer's line is down |
| 378282246310005 | American Express | its issuer has no route |
| 6011111111111117 | Discover | nobody knows its issuer |

The issuer simulator approves, except amounts whose last two digits mean something to it: 51, 55 and
61 decline with that code, 91 and 96 answer it, 97 answers too late, 98 never answers, 94 answers
twice, 93 answers with another amount; 66.66 answers only the fourth reversal.
"""


def write_document() -> str:
    """Write the whole page, as docs/demo-world.md must read."""
    return "".join((_HEAD, *_refusals(), _CARDS, *_entries()))


def command_of(arguments: str) -> str:
    """Write the command that provokes a refusal."""
    return f"switch pos sale {arguments}"


def _refusals() -> Iterator[str]:
    yield _REFUSALS
    yield "| reason | DE 39 | why | command |\n|---|---|---|---|\n"
    for each in PROVOCATIONS:
        yield (
            f"| `{each.reason.value}` | {_response_code(each)} | {each.why} | {_commands(each)} |\n"
        )


def _commands(provocation: Provocation) -> str:
    last = f"`{command_of(provocation.arguments)}`"
    return f"`{command_of(provocation.before)}`, then {last}" if provocation.before else last


def _response_code(provocation: Provocation) -> str:
    """Name DE 39; what an issuer says is passed on."""
    if provocation.reason is Reason.ISSUER_DECLINED:
        return "the issuer's"
    return decline_of(provocation.reason).response_code


def _entries() -> Iterator[str]:
    entries = [entry for _, entry in parse_document(demo_registry_document()).entries]
    yield "\n## Merchants\n\n| merchant id | name | status | MCC | agent |\n|---|---|---|---|---|\n"
    for entry in entries:
        if isinstance(entry, MerchantEntry):
            yield (
                f"| {entry.merchant_id} | {entry.name} | {entry.status.value} | {entry.mcc} "
                f"| {entry.agent_id} |\n"
            )
    yield "\n## Terminals\n\nMAC key of all that have one: `1C1C1C1C1C1C1C1C`.\n\n"
    yield "| acquirer | terminal | speaks | status | merchant | batch | MAC |\n"
    yield "|---|---|---|---|---|---|---|\n"
    for entry in entries:
        if isinstance(entry, TerminalEntry):
            yield (
                f"| {entry.acquirer} | {entry.terminal_id} | {entry.profile} "
                f"| {entry.status.value} | {entry.merchant_id} | {entry.batch} | {_mac(entry)} |\n"
            )
    yield "\n## The rest\n\n| what | id | |\n|---|---|---|\n"
    yield from map(_other, entries)


def _mac(entry: TerminalEntry) -> str:
    if entry.mac_algorithm == NO_MAC:
        return "none needed"
    return "yes" if entry.mak else "no key"


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
            return f"| issuer | {entry.issuer_id} | cards {', '.join(entry.bins)} |\n"
        case RouteEntry():
            return f"| route | {entry.route_id} | to {entry.issuer_id} by {entry.link} |\n"
        case ApiClientEntry():
            return f"| API client | {entry.client_id} | API key `{entry.api_key}` |\n"
        case _:
            return ""


if __name__ == "__main__":
    sys.stdout.write(write_document())
