"""What processes say of themselves, and what the whole switch looks like put together."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Final

import msgspec

from switch.apps.roles import Role
from switch.eventlog.port import REPLIES_PARTITION_COUNT

Row = Mapping[str, Any]  # as a role describes a part of itself for `/v1/status`

INTERVALS_KEPT: Final = 10  # who has not spoken for so many of its intervals is not shown any more
SERVING: Final = "serving"
RUNNING: Final = "running"
UP: Final = "up"


class ProcessStatus(msgspec.Struct, frozen=True, kw_only=True):
    """
    One process at one moment; `at` is epoch milliseconds, `name` is its data folder's own.

    `interval_ms` is 0 in the last word of a process that ends. `partition_count` is 0 where it is
    not known. Rows have the members that docs/operations.md lists; a program of another version
    may say more, or less.
    """

    name: str
    roles: tuple[str, ...]
    version: str
    pid: int
    http: str
    at: int
    interval_ms: int
    not_ready: dict[str, str]  # part -> why; empty when it is ready
    partition_count: int = 0
    partitions: Sequence[Row] = ()
    projections: Sequence[Row] = ()
    gateways: Sequence[Row] = ()
    registrars: Sequence[Row] = ()
    links: Sequence[Row] = ()


class SwitchStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The switch as its processes describe it; each row says in `process` who said it."""

    faults: tuple[str, ...]  # what is not well, worst first, in words for people
    processes: Sequence[Row]
    partitions: Sequence[Row]
    projections: Sequence[Row]
    gateways: Sequence[Row]
    registrars: Sequence[Row]
    links: Sequence[Row]


encode_status = msgspec.json.Encoder().encode
decode_status = msgspec.json.Decoder(ProcessStatus).decode


def keep_newest(said: Iterable[ProcessStatus], wall_ms: int) -> list[ProcessStatus]:
    """Keep the last word of each process that spoke within its ten intervals, in order of name."""
    newest: dict[str, ProcessStatus] = {}
    for one in said:
        if one.name not in newest or one.at >= newest[one.name].at:
            newest[one.name] = one
    kept = (
        one
        for one in newest.values()
        if one.interval_ms and wall_ms - one.at <= INTERVALS_KEPT * one.interval_ms
    )
    return sorted(kept, key=lambda one: (one.roles, one.name))


def merge_statuses(
    statuses: Sequence[ProcessStatus], partition_count: int = 0, unheard: str = ""
) -> SwitchStatus:
    """
    Put together what all processes said; `partition_count` where it is known better than so.

    `unheard` is why others may be there that could not be heard: then nothing is said of what runs
    nowhere.
    """
    partitions = sorted(
        _rows_of(statuses, "partitions"),
        key=lambda row: (row["partition"], row["state"] != SERVING, -row.get("epoch", 0)),
    )
    merged = SwitchStatus(
        faults=(),
        processes=[_describe_process(one) for one in statuses],
        partitions=partitions,
        projections=_rows_of(statuses, "projections"),
        gateways=_rows_of(statuses, "gateways"),
        registrars=_rows_of(statuses, "registrars"),
        links=_rows_of(statuses, "links"),
    )
    partition_count = max([partition_count, *(one.partition_count for one in statuses)])
    missing = (explain_unheard(unheard),) if unheard else _find_missing(merged, partition_count)
    return msgspec.structs.replace(merged, faults=(*missing, *_find_faults(merged)))


def find_shared_ordinals(gateways: Iterable[Row]) -> dict[int, list[str]]:
    """Return the numbers that several gateways have, with their processes in order of name."""
    names: dict[int, set[str]] = {}
    for row in gateways:
        if "ordinal" in row:
            names.setdefault(row["ordinal"], set()).add(row["process"])
    return {ordinal: sorted(found) for ordinal, found in names.items() if len(found) > 1}


def explain_unheard(reason: str) -> str:
    """Say why only the process that was asked is shown."""
    return f"the other processes cannot be heard, because the log cannot be read: {reason}"


def explain_shared_ordinal(ordinal: int, names: Sequence[str]) -> str:
    """Say what it means that several gateways have one number, and what to do."""
    return (
        f"gateways {', '.join(names)} have one number (gateway.ordinal {ordinal}): no answer goes"
        " astray, but each reads those of the others too; give each a number of its own, 0 to"
        f" {REPLIES_PARTITION_COUNT - 1}"
    )


def _rows_of(statuses: Sequence[ProcessStatus], name: str) -> list[Row]:
    return [{"process": one.name, **row} for one in statuses for row in getattr(one, name)]


def _describe_process(status: ProcessStatus) -> Row:
    return {
        "process": status.name,
        "roles": status.roles,
        "version": status.version,
        "pid": status.pid,
        "http": status.http,
        "at": status.at,
        "ready": not status.not_ready,
        "not_ready": status.not_ready,
    }


def _find_missing(found: SwitchStatus, partition_count: int) -> Iterable[str]:
    """Say what no process does."""
    served = {row["partition"] for row in found.partitions if row["state"] == SERVING}
    for index in range(partition_count):
        if index not in served:
            said = [row["state"] for row in found.partitions if row["partition"] == index]
            yield f"partition {index} is not served ({'; '.join(said) or 'by no process'})"
    running = {role for row in found.processes for role in row["roles"]}
    for role in (Role.GATEWAY, Role.HANDLER, Role.REGISTRAR):
        if role.value not in running:
            yield f"no {role.value} is running"


def _find_faults(found: SwitchStatus) -> Iterable[str]:
    """Say what is not well with those that were heard."""
    for ordinal, names in find_shared_ordinals(found.gateways).items():
        yield explain_shared_ordinal(ordinal, names)
    for row in found.projections:
        if row["state"] != RUNNING:
            yield f"projection {row['projection']} is {row['state']}: {row['error']}"
    for row in found.processes:
        for part, reason in row["not_ready"].items():
            yield f"{'+'.join(row['roles'])} {row['process']} is not ready, {part}: {reason}"
