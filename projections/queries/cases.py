"""
Cases as operators ask for them: a list, by incident, and one with all that is known about it.

An incident is what cases of one issuer line have in common that come close together: an outage.
It is found when it is asked for, over all partitions, so its name needs no agreement among them.
"""

from typing import Final

import msgspec

from projections.audit.cases import CaseRow
from projections.database import Connection, fetch_rows
from projections.queries.case_file import (
    EventFound,
    Standing,
    load_events,
    load_standing,
)
from projections.queries.steps import Step, describe_steps
from projections.queries.verdict import Verdict, judge
from switch.domain.cases.kinds import GROUPED_KINDS, kinds_of_team
from switch.domain.cases.state import CaseState

INCIDENT_GAP_MS: Final = 600_000  # a line that was quiet for so long is in trouble anew
INCIDENT_DAYS: Final = 180  # older cases are in no incident, and only listed while they are open
LIMIT_MAX: Final = 1_001  # one more than is shown tells that there are more
UNENDED: Final = "unended"  # open, or waiting for a second person
ANY: Final = "any"
STATES: Final = (UNENDED, *(state.value for state in CaseState), ANY)
_DAY_MS: Final = 86_400_000


class CaseWanted(msgspec.Struct, frozen=True, kw_only=True):
    """What to list; empty fields exclude nothing. `owner` is a person or a team."""

    state: str = UNENDED
    kind: str = ""
    owner: str = ""
    rrn: str = ""
    merchant_id: str = ""
    incident: str = ""
    limit: int = 100


class CaseListed(msgspec.Struct, frozen=True, kw_only=True):
    """
    A case in a list, with what its payment says.

    `since_ms` is when its payment was asked for, or the case opened where there is none.
    """

    case_id: str
    partition: int
    journal_offset: int
    kind: str
    state: str
    opened_at_ms: int
    updated_at_ms: int
    ended_at_ms: int
    rrn: str
    acquirer: str
    merchant_id: str
    terminal_id: str
    amount_minor: int
    currency: str
    detail: str
    owner: str
    proposed_by: str
    resolution: str
    reason: str
    resolved_by: str
    confirmed_by: str
    note_count: int
    opening_count: int
    link: str
    since_ms: int
    incident: str


class CaseLine(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the list: an incident with its cases, or a case by itself."""

    line: str  # the incident's name, or the case's id
    is_incident: bool
    kind: str
    count: int
    amount_minor: int
    currency: str
    first_at_ms: int
    last_at_ms: int
    merchant_id: str  # empty: several
    state: str  # empty: several
    owner: str


class CaseShown(msgspec.Struct, frozen=True, kw_only=True):
    """A case with its history, and its payment with that one's steps and its verdict."""

    case: CaseListed
    verdict: Verdict
    standing: Standing | None
    history: tuple[Step, ...]
    steps: tuple[Step, ...]


_OWN: Final = ", ".join(
    f"c.{name}"
    for name in CaseRow.__struct_fields__
    if name not in {"amount_minor", "currency", "acquirer", "merchant_id", "terminal_id"}
)
# A case and what its payment says of it. Time is cut into slots as long as the gap, so cases of one
# line and slot are of one incident: incidents are found among a few slots, not by sorting every
# case, of which there may be hundreds of thousands.
_JOINED: Final = f"""
    SELECT {_OWN},
        CASE WHEN c.merchant_id = '' THEN coalesce(p.merchant_id, '') ELSE c.merchant_id END
            AS merchant_id,
        CASE WHEN c.acquirer = '' THEN coalesce(p.acquirer, '') ELSE c.acquirer END AS acquirer,
        CASE WHEN c.terminal_id = '' THEN coalesce(p.terminal_id, '') ELSE c.terminal_id END
            AS terminal_id,
        CASE WHEN c.currency = '' AND c.amount_minor = 0 THEN coalesce(p.amount_minor, 0)
            ELSE c.amount_minor END AS amount_minor,
        CASE WHEN c.currency = '' AND c.amount_minor = 0 THEN coalesce(p.currency, '')
            ELSE c.currency END AS currency,
        coalesce(p.link, '') AS link,
        coalesce(p.opened_at_ms, c.opened_at_ms) AS since_ms,
        coalesce(p.opened_at_ms, c.opened_at_ms) / $1 AS slot,
        CASE WHEN c.kind = ANY($2::text[]) AND c.opened_at_ms >= $3 THEN coalesce(p.link, '')
            ELSE '' END AS incident_link
    FROM audit.cases c LEFT JOIN audit.payments p ON c.rrn <> '' AND p.rrn = c.rrn
    WHERE (c.ended_at_ms = 0 OR c.opened_at_ms >= $3)
"""  # noqa: S608 - names of our own
_SLOTS: Final = """
    SELECT p.link AS incident_link, p.opened_at_ms / $1 AS slot,
        min(p.opened_at_ms) AS first_ms, max(p.opened_at_ms) AS last_ms
    FROM audit.cases c JOIN audit.payments p ON p.rrn = c.rrn
    WHERE c.rrn <> '' AND c.kind = ANY($2::text[]) AND c.opened_at_ms >= $3 AND p.link <> ''
    GROUP BY 1, 2
"""
# of `slots`, with their first and last moments: a gap begins a new incident, named by its first
_NAMED: Final = """
spaced AS (
    SELECT *, CASE WHEN first_ms - lag(last_ms) OVER by_time <= $1 THEN 0 ELSE first_ms END
        AS begins_ms
    FROM slots WINDOW by_time AS (PARTITION BY incident_link ORDER BY slot)
), named AS (
    SELECT incident_link, slot, since_ms AS incident_ms, incident_link || '@' || to_char(
        to_timestamp(since_ms / 1000) AT TIME ZONE 'UTC', 'YYYYMMDD"T"HH24MISS"Z"') AS incident
    FROM (
        SELECT *, max(begins_ms) OVER (PARTITION BY incident_link ORDER BY slot) AS since_ms
        FROM spaced
    ) AS begun
)
"""
_MATCHING: Final = """
    CASE $4 WHEN 'any' THEN true WHEN 'unended' THEN ended_at_ms = 0 ELSE state = $4 END
    AND ($5 = '' OR kind = $5)
    AND ($6 = '' OR owner = $6 OR (owner = '' AND kind = ANY($7::text[])))
    AND ($8 = '' OR rrn = $8)
    AND ($9 = '' OR merchant_id = $9)
"""
_COLUMNS: Final = ", ".join(
    "coalesce(named.incident, '') AS incident" if name == "incident" else f"page.{name}"
    for name in CaseListed.__struct_fields__
)
_LIST: Final = f"""
WITH slots AS ({_SLOTS}), {_NAMED}, page AS (
    SELECT * FROM ({_JOINED}) AS joined WHERE {_MATCHING} AND $10 = ''
    ORDER BY opened_at_ms DESC, case_id LIMIT $11
)
SELECT {_COLUMNS} FROM page LEFT JOIN named USING (incident_link, slot)
ORDER BY page.opened_at_ms DESC, page.case_id
"""  # noqa: S608 - names of our own
# which cases are of an incident is known once it has its name
_LIST_INCIDENT: Final = f"""
WITH slots AS ({_SLOTS}), {_NAMED}
SELECT {_COLUMNS} FROM ({_JOINED}) AS page JOIN named USING (incident_link, slot)
WHERE {_MATCHING} AND named.incident = $10
ORDER BY page.opened_at_ms DESC, page.case_id LIMIT $11
"""  # noqa: S608 - names of our own
_LINES: Final = f"""
WITH heaps AS (
    SELECT incident_link, CASE WHEN incident_link = '' THEN 0 ELSE slot END AS slot,
        CASE WHEN incident_link = '' THEN case_id ELSE '' END AS single,
        kind, currency, {_MATCHING} AS is_wanted,
        min(case_id) AS case_id, count(*) AS count, sum(amount_minor) AS amount_minor,
        min(since_ms) AS first_ms, max(since_ms) AS last_ms, max(opened_at_ms) AS opened_at_ms,
        min(merchant_id) AS merchant_min, max(merchant_id) AS merchant_max,
        min(state) AS state_min, max(state) AS state_max,
        min(owner) AS owner_min, max(owner) AS owner_max
    FROM ({_JOINED}) AS joined GROUP BY 1, 2, 3, 4, 5, 6
), slots AS (
    SELECT incident_link, slot, min(first_ms) AS first_ms, max(last_ms) AS last_ms
    FROM heaps WHERE incident_link <> '' GROUP BY 1, 2
), {_NAMED}
SELECT CASE WHEN sum(count) = 1 THEN min(case_id) ELSE min(incident) END AS line,
    sum(count) > 1 AS is_incident, kind, currency,
    sum(count)::bigint AS count, sum(amount_minor)::bigint AS amount_minor,
    min(first_ms) AS first_at_ms, max(last_ms) AS last_at_ms,
    CASE WHEN min(merchant_min) = max(merchant_max) THEN min(merchant_min) ELSE '' END
        AS merchant_id,
    CASE WHEN min(state_min) = max(state_max) THEN min(state_min) ELSE '' END AS state,
    CASE WHEN min(owner_min) = max(owner_max) THEN min(owner_min) ELSE '' END AS owner
FROM heaps LEFT JOIN named USING (incident_link, slot)
WHERE is_wanted AND ($10 = '' OR incident = $10)
GROUP BY incident, single, kind, currency
ORDER BY max(opened_at_ms) DESC, line LIMIT $11
"""  # noqa: S608 - names of our own


async def list_cases(connection: Connection, wanted: CaseWanted, now_ms: int) -> list[CaseListed]:
    """Return cases, those opened last first."""
    query = _LIST_INCIDENT if wanted.incident else _LIST
    arguments = await _arguments(connection, wanted, now_ms)
    return await fetch_rows(connection, CaseListed, query, *arguments)


async def list_case_lines(
    connection: Connection, wanted: CaseWanted, now_ms: int
) -> list[CaseLine]:
    """Return one line for each incident, and for each case that is in none."""
    return await fetch_rows(
        connection, CaseLine, _LINES, *await _arguments(connection, wanted, now_ms)
    )


async def _arguments(connection: Connection, wanted: CaseWanted, now_ms: int) -> tuple[object, ...]:
    return (
        INCIDENT_GAP_MS,
        list(GROUPED_KINDS),
        await _find_horizon(connection, wanted, now_ms),
        wanted.state,
        wanted.kind,
        wanted.owner,
        list(kinds_of_team(wanted.owner)),
        wanted.rrn,
        wanted.merchant_id,
        wanted.incident,
        min(wanted.limit, LIMIT_MAX),
    )


async def _find_horizon(connection: Connection, wanted: CaseWanted, now_ms: int) -> int:
    """
    Say how far back incidents are looked for; what has ended long ago is left alone.

    An incident is named by its beginning, so the beginning of each that still waits is within.
    """
    limit_ms = now_ms - INCIDENT_DAYS * _DAY_MS
    if wanted.state not in _WAITING:
        return limit_ms
    rows = await connection.fetch(
        "SELECT coalesce(min(opened_at_ms), 0) AS first_ms FROM audit.cases WHERE ended_at_ms = 0"
    )
    first_ms, back_ms = msgspec.convert(rows[0]["first_ms"], int), 2 * _DAY_MS
    while (horizon_ms := first_ms - back_ms) > limit_ms:
        arguments = (INCIDENT_GAP_MS, list(GROUPED_KINDS), horizon_ms, horizon_ms + _DAY_MS)
        rows = await connection.fetch(_REACHES_BACK, *arguments)
        if not rows[0]["found"]:
            return horizon_ms
        back_ms *= 4
    return limit_ms


# whether an incident that waits begins so near to the horizon that it may begin before: looked into
# only if anything was opened there
_REACHES_BACK: Final = f"""
WITH slots AS ({_SLOTS}), {_NAMED}
SELECT CASE WHEN EXISTS (
    SELECT FROM audit.cases WHERE kind = ANY($2::text[]) AND opened_at_ms BETWEEN $3 AND $4
) THEN EXISTS (
    SELECT FROM audit.cases c JOIN audit.payments p ON p.rrn = c.rrn
    JOIN named ON named.incident_link = p.link AND named.slot = p.opened_at_ms / $1
    WHERE c.ended_at_ms = 0 AND c.rrn <> '' AND c.kind = ANY($2::text[])
        AND named.incident_ms < $4
) ELSE false END AS found
"""  # noqa: S608 - names of our own
_WAITING: Final = frozenset({UNENDED, CaseState.OPEN.value, CaseState.PROPOSED.value})


async def find_partition(connection: Connection, case_id: str) -> int | None:
    """Say where a case is decided; None if it is not there, or not there yet."""
    rows = await connection.fetch("SELECT partition FROM audit.cases WHERE case_id = $1", case_id)
    return msgspec.convert(rows[0]["partition"], int) if rows else None


_ONE: Final = f"""
WITH slots AS ({_SLOTS}), {_NAMED}, page AS ({_JOINED} AND c.case_id = $4)
SELECT {_COLUMNS} FROM page LEFT JOIN named USING (incident_link, slot)
"""  # noqa: S608 - names of our own


async def find_case(connection: Connection, case_id: str, now_ms: int) -> CaseListed | None:
    """Return one case; None if it is not there, or not there yet."""
    horizon_ms = now_ms - INCIDENT_DAYS * _DAY_MS
    arguments = (INCIDENT_GAP_MS, list(GROUPED_KINDS), horizon_ms, case_id)
    found = await fetch_rows(connection, CaseListed, _ONE, *arguments)
    return found[0] if found else None


async def load_case(connection: Connection, case: CaseListed) -> CaseShown:
    """Collect all that is known about a case."""
    standing = await load_standing(connection, case.rrn) if case.rrn else None
    events: list[EventFound] = []
    if standing is not None:
        events = await load_events(connection, case.rrn, standing.payment.idempotency_key)
    history = await _load_history(connection, case)
    verdict = standing.judge() if standing else judge(None)
    return CaseShown(
        case=case,
        verdict=verdict,
        standing=standing,
        history=describe_steps(history),
        steps=describe_steps(events),
    )


async def _load_history(connection: Connection, case: CaseListed) -> list[EventFound]:
    """Find what was decided about a case; of a parked record, its parking."""
    return await fetch_rows(
        connection,
        EventFound,
        f"SELECT {', '.join(_HISTORY)} FROM audit.events "  # noqa: S608 - names of our own
        "WHERE NOT is_void AND (tag LIKE 'case-%' AND detail ->> 'case_id' = $1 "
        "OR tag = 'inbound-parked.v1' AND partition = $2 AND journal_offset = $3) "
        "ORDER BY journal_offset, event_index",
        case.case_id,
        case.partition,
        case.journal_offset,
    )


_HISTORY: Final = tuple(
    f"{name}::text AS {name}" if name == "detail" else name for name in EventFound.__struct_fields__
)
