"""`switch case`: what people must look at, and what they decide about it."""

import json
import os
import secrets
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from switch.cli.client import KEY_VARIABLE, InstanceClient, data_option, path_of
from switch.cli.failure import EXIT_FAULT, EXIT_NO, CommandFailure, usage_failure
from switch.domain.identifiers import RRN_DIGITS

if TYPE_CHECKING:
    from rich.table import Table

JSON: Final = "application/json"
CATCH_UP_S: Final = 1.5  # a case of this moment may not be in the tables yet
POLL_S: Final = 0.1
INCIDENT_COUNT_MAX: Final = 1_000  # settled by one command
STATES: Final = ("unended", "open", "proposed", "resolved", "closed", "any")
RESOLUTIONS: Final = ("no-action", "returned", "stands", "return-money")
_NOT_THERE: Final = ("No such case", "No such payment")
_KEY_BYTES: Final = 12

AnswerT = TypeVar("AnswerT")
Json = dict[str, Any]

format_option = click.option(
    "--format", "style", type=click.Choice(["table", "json"]), default="table", show_default=True
)
key_option = click.option(
    "--key", default="", help="Idempotency key: give the one of a try that was not answered."
)


@click.group()
def case() -> None:
    """
    Cases: what the switch cannot settle by itself.

    By default they are yours as the operator of this machine. A case of a large amount takes two
    persons: each puts a key of their own into the variable SWITCH_OPERATOR_KEY.

    CASE is a case's id, or the RRN of a payment that has just one open case.
    """


# -- reading ---------------------------------------------------------------------------------------


@case.command(name="list", short_help="What waits for somebody; an outage is one line.")
@click.option("--state", type=click.Choice(STATES), default=STATES[0], show_default=True)
@click.option("--kind", default="", help="Only this kind (docs/cases.md).")
@click.option("--owner", default="", help="A person, or a team for cases that nobody has yet.")
@click.option("--rrn", default="", help="Only cases about this payment.")
@click.option("--merchant", default="", help="Only this merchant id.")
@click.option("--incident", default="", help="The cases of one incident, one by one.")
@click.option("--flat", is_flag=True, help="Every case by itself, incidents too.")
@click.option("--limit", type=click.IntRange(1, 1_000), default=100, show_default=True)
@data_option
@format_option
def list_(data_dir: Path, style: str, *, flat: bool, limit: int, **filters: str) -> None:
    """
    List what waits for somebody, opened last first; what one outage caused is one line.

    `switch case list --incident NAME` lists the cases behind such a line.
    """
    is_flat = flat or bool(filters["incident"])
    query = {name: value for name, value in filters.items() if value}
    if "merchant" in query:
        query["merchant_id"] = query.pop("merchant")
    client = _client(data_dir)
    found = client.get(
        "/v1/cases", query | {"limit": str(limit)} | ({} if is_flat else {"by": "incident"})
    )
    rows = found["cases"] if is_flat else found["lines"]
    if not rows and filters["incident"]:
        _see_incident(client, filters["incident"])
    if style == "json":
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    if not rows:
        waits = "waits for anybody" if filters["state"] == STATES[0] else "is there"
        click.echo(f"no case {waits}")
        return
    from switch.cli.screen import make_console, print_table

    print_table(make_console(), _make_list(rows) if is_flat else _make_lines(rows))
    if found["is_cut"]:
        click.echo(f"there are more than {limit}; narrow the list, or raise --limit")


def _see_incident(client: InstanceClient, incident: str) -> None:
    """
    See that an incident is there at all, whatever became of its cases.

    Raises:
        CommandFailure: no case was ever part of it (1).
    """
    query = {"incident": incident, "state": "any", "limit": "1"}
    if not client.get("/v1/cases", query)["cases"]:
        raise CommandFailure(
            f"there is no incident {incident!r}; `switch case list` names those that wait", EXIT_NO
        )


def _make_lines(lines: list[Json]) -> "Table":
    from switch.cli.screen import make_table

    table = make_table()
    for name in ("case or incident", "what", "cases", "amount", "merchant", "since", "with"):
        table.add_column(name, justify="right" if name in {"cases", "amount"} else "left")
    for line in lines:
        table.add_row(
            line["line"],
            line["title_en"] + (" (second person needed)" if _is_proposed(line) else ""),
            str(line["count"]),
            _write_amount(line),
            line.get("merchant_id", "") or "several",
            _write_time(line["first_at"]),
            line.get("owner", "") or line["team"],
        )
    return table


def _make_list(cases: list[Json]) -> "Table":
    from switch.cli.screen import make_table

    table = make_table()
    for name in ("case", "what", "state", "amount", "merchant", "since", "with"):
        table.add_column(name, justify="right" if name == "amount" else "left")
    for one in cases:
        table.add_row(
            one["case_id"],
            one["title_en"],
            one["state"] + (f": {one['resolution']}" if one.get("resolution") else ""),
            _write_amount(one),
            one.get("merchant_id", ""),
            _write_time(one["since"]),
            one.get("owner", "") or one["team"],
        )
    return table


@case.command(short_help="One case: what it means, what to do, its history and payment.")
@click.argument("case_id", metavar="CASE")
@data_option
@format_option
def show(case_id: str, data_dir: Path, style: str) -> None:
    """Show a case: what it means, what to do, what was done, and every step of its payment."""
    client = _client(data_dir)
    wanted = _find_case_id(client, case_id)
    found = _patiently(lambda: client.get(path_of("v1", "cases", wanted)))
    if style == "json":
        click.echo(json.dumps(found, ensure_ascii=False, indent=2))
        return
    _print_case(found)


def _print_case(found: Json) -> None:
    from rich.text import Text

    from switch.cli.screen import WIDE, make_console, print_table

    console, one = make_console(), found["case"]
    state = one["state"]
    if _is_proposed(one):
        state = f"{one['resolution']} proposed by {one['proposed_by']}, waiting for a second person"
    elif one.get("resolution"):
        people = " and ".join(n for n in (one["resolved_by"], one.get("confirmed_by")) if n)
        state = f"{state}: {one['resolution']} ({people})"
    console.print(Text(f"{one['title_en']} / {one['title_zh']}", style="bold"), soft_wrap=True)
    facts = {
        "case": one["case_id"],
        "state": state,
        "with": one.get("owner", "") or one["team"],
        "payment": one.get("rrn", ""),
        "amount": _write_amount(one),
        "merchant": one.get("merchant_id", ""),
        "since": _write_time(one["since"]),
        "incident": one.get("incident", ""),
        "detail": one.get("detail", ""),
        "reason": one.get("reason", ""),
        "money": found.get("verdict", ""),
    }
    width = max(map(len, facts))
    for name, value in facts.items():
        if value:
            console.print(f"{name:<{width}}  {value}", soft_wrap=True)
    for title, text in (
        ("what happened", f"{found['text_en']}\n{found['text_zh']}"),
        ("what to do", f"{found['next_en']}\n{found['next_zh']}"),
        ("evidence", f"{found['evidence_en']}\n{found['evidence_zh']}"),
    ):
        console.print(Text.assemble("\n", (title, "bold"), f"\n{text}"))
    for title, steps in (
        ("history", found["history"]),
        ("the payment, step by step", found.get("steps", [])),
    ):
        if steps:
            console.print(Text.assemble("\n", (title, "bold")))
            if console.width >= WIDE:
                console.print(_make_steps(steps))
            else:
                print_table(console, _make_steps(steps))


def _make_steps(steps: list[Json]) -> "Table":
    from switch.cli.screen import make_table

    table = make_table()
    for name in ("time (UTC)", "step", "why", "issuer", "terminal was told"):
        table.add_column(name, no_wrap=name == "time (UTC)")
    for step in steps:
        told = f"-> {step['told_issuer']}" if step.get("told_issuer") else ""
        said = f"<- {step['issuer_said']}" if step.get("issuer_said") else ""
        table.add_row(
            _write_time(step["at"]),
            step["title"],
            step.get("rule", ""),
            f"{told} {said}".strip(),
            step.get("told_terminal", ""),
        )
    return table


# -- deciding --------------------------------------------------------------------------------------


@case.command(name="open", short_help="A claim: debited, but not served.")
@click.option("--rrn", required=True, help="The payment (DE 37), as its receipt shows it.")
@click.option("--note", required=True, help="Who says so, and what they say.")
@key_option
@data_option
@format_option
def open_(rrn: str, note: str, key: str, data_dir: Path, style: str) -> None:
    """Open a claim that a payment was debited and nothing was given for it."""
    if not _is_rrn(rrn):
        raise usage_failure(f"{rrn!r} is no RRN: it has {RRN_DIGITS} digits, as receipts show it")
    client = _client(data_dir)
    content = {"rrn": rrn, "note": note}
    told = _patiently(lambda: _command(client, path_of("v1", "cases"), content, key))
    _say(told, style, f"{told['case_id']} is open")


@case.command(short_help="Add a note to a case.")
@click.argument("case_id", metavar="CASE")
@click.argument("text")
@key_option
@data_option
@format_option
def note(case_id: str, text: str, key: str, data_dir: Path, style: str) -> None:
    """Add TEXT to the history of a case."""
    told = _change(data_dir, case_id, "notes", {"text": text}, key)
    _say(told, style, f"noted on {told['case_id']}")


@case.command(short_help="Say who sees to a case.")
@click.argument("case_id", metavar="CASE")
@click.argument("owner")
@click.option("--note", "text", default="", help="What the new owner should know.")
@key_option
@data_option
@format_option
def assign(  # noqa: PLR0917 - click's
    case_id: str, owner: str, text: str, key: str, data_dir: Path, style: str
) -> None:
    """Give a case to OWNER, any name: names are not checked against the registry."""
    told = _change(data_dir, case_id, "assign", {"owner": owner, "text": text}, key)
    _say(told, style, f"{told['case_id']} is with {told['owner']}")


@case.command(short_help="Settle a case, or all cases of an incident.")
@click.argument("case_id", metavar="[CASE]", required=False)
@click.option("--incident", default="", help="All open cases of this incident instead.")
@click.option(
    "--as", "resolution", type=click.Choice(RESOLUTIONS), required=True, help="How it is settled."
)
@click.option("--reason", required=True, help="Why; it is kept for ever.")
@key_option
@data_option
@format_option
def resolve(  # noqa: PLR0917 - click's
    case_id: str | None,
    incident: str,
    resolution: str,
    reason: str,
    key: str,
    data_dir: Path,
    style: str,
) -> None:
    """
    Settle a case, with the reason.

    no-action: nothing more is to be done. returned: the cardholder has the money. stands: the debit
    is right. return-money: the switch gives it back, and tells the issuer until it answers.

    Above the configured amount the first person proposes; the same command of a second one settles.
    """
    if (case_id is None) == (not incident):
        raise usage_failure("name a case, or an incident with --incident")
    content = {"resolution": resolution, "reason": reason}
    if case_id is None:
        _resolve_incident(data_dir, incident, content, key, style)
        return
    told = _change(data_dir, case_id, "resolve", content, key)
    _say(told, style, _tell_resolved(told))


def _tell_resolved(told: Json) -> str:
    if _is_proposed(told):
        return (
            f"{told['case_id']}: {told['proposed_by']} proposes it; a second person must settle it"
            " with the same command"
        )
    effects = {
        "return-ordered.v1": "the issuer is told to give the money back, until it answers",
        "payment-reversed.v1": "the payment counts as reversed",
        "payment-approved.v1": "it counts as carried out",
    }
    done = "; ".join(effects.get(effect, effect) for effect in told.get("effects", ()))
    return f"{told['case_id']} is settled" + (f": {done}" if done else "")


def _resolve_incident(data_dir: Path, incident: str, content: Json, key: str, style: str) -> None:
    """Settle each open case of an incident by itself; each is carried out once for the key."""
    client = _client(data_dir)
    query = {"incident": incident, "limit": str(INCIDENT_COUNT_MAX)}
    found = client.get("/v1/cases", query)
    if not found["cases"]:
        raise CommandFailure(f"no open case in the incident {incident!r}", EXIT_NO)
    stem = key or secrets.token_hex(_KEY_BYTES)
    settled: list[str] = []
    waiting: list[str] = []
    refused: list[Json] = []
    for one in found["cases"]:
        case_id = one["case_id"]
        path = path_of("v1", "cases", case_id, "resolve")
        try:
            told = _command(client, path, content, f"{stem}-{case_id}"[:128])
        except CommandFailure as failure:
            if failure.exit_code != EXIT_NO:
                raise CommandFailure(
                    f"{len(settled) + len(waiting)} done, then: {failure.message}; go on with the"
                    f" same command and --key {stem}",
                    EXIT_FAULT,
                ) from failure
            refused.append({"case_id": case_id, "detail": failure.message})
        else:
            (waiting if _is_proposed(told) else settled).append(case_id)
    if style == "json":
        click.echo(json.dumps({"settled": settled, "waiting": waiting, "refused": refused}))
    else:
        click.echo(f"{len(settled)} settled, {len(waiting)} waiting for a second person")
        for each in refused:
            click.echo(f"refused: {each['case_id']}: {each['detail']}")
        if found["is_cut"]:
            click.echo("there are more cases in this incident; run the command again")
    if refused:
        raise CommandFailure(f"{len(refused)} of {len(found['cases'])} were refused", EXIT_NO)


# -- small -----------------------------------------------------------------------------------------


def _client(data_dir: Path) -> InstanceClient:
    return InstanceClient(data_dir, operator_key=os.environ.get(KEY_VARIABLE, ""))


def _change(data_dir: Path, case_id: str, name: str, content: Json, key: str) -> Json:
    client = _client(data_dir)
    wanted = _find_case_id(client, case_id)
    path = path_of("v1", "cases", wanted, name)
    return _patiently(lambda: _command(client, path, content, key))


def _command(client: InstanceClient, path: str, content: Json, key: str) -> Json:
    """Send a command; where nobody answered, say how to ask again without doing it twice."""
    used = key or secrets.token_hex(_KEY_BYTES)
    body = json.dumps(content, ensure_ascii=False).encode()
    try:
        told: Json = client.post(path, body, JSON, idempotency_key=used)
    except CommandFailure as failure:
        if failure.exit_code != EXIT_FAULT or key:
            raise
        again = f"{failure.message}\nask again with --key {used}: it is carried out once"
        raise CommandFailure(again, EXIT_FAULT) from failure
    return told


def _is_rrn(text: str) -> bool:
    return len(text) == RRN_DIGITS and text.isascii() and text.isdecimal()


def _find_case_id(client: InstanceClient, reference: str) -> str:
    """Take an RRN for the one case that waits about that payment."""
    if not _is_rrn(reference):
        return reference
    found = client.get("/v1/cases", {"rrn": reference})["cases"]
    if not found:
        found = client.get("/v1/cases", {"rrn": reference, "state": "any"})["cases"]
    if not found:
        raise CommandFailure(f"there is no case about the payment {reference}", EXIT_NO)
    if len(found) > 1:
        named = "\n".join(f"  {one['case_id']}" for one in found)
        raise usage_failure(f"there are several cases about it; name one:\n{named}")
    return str(found[0]["case_id"])


def _patiently(ask: Callable[[], AnswerT]) -> AnswerT:
    """Ask again for a moment while it is not there yet: the projections follow the journal."""
    give_up_at = time.monotonic() + CATCH_UP_S
    while True:
        try:
            return ask()
        except CommandFailure as failure:
            if not failure.message.startswith(_NOT_THERE) or time.monotonic() > give_up_at:
                raise
        time.sleep(POLL_S)


def _say(told: Json, style: str, sentence: str) -> None:
    click.echo(json.dumps(told, ensure_ascii=False) if style == "json" else sentence)


def _is_proposed(one: Json) -> bool:
    return one.get("state") == "proposed"


def _write_amount(one: Json) -> str:
    from switch.cli.screen import write_amount

    currency = one.get("currency", "")
    if not currency:
        minor = one.get("amount_minor", 0)
        return f"{minor} (minor units)" if minor else ""
    return f"{write_amount(one.get('amount_minor', 0), currency)} {write_amount(None, currency)}"


def _write_time(at: str) -> str:
    """Write a time as people read it, to the second."""
    return f"{at[:10]} {at[11:19]}Z" if at else ""
