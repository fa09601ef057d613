"""The alert rules for Prometheus: what is wrong, since when, and what whoever is woken does."""

import json
import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from switch.apps.settings import Settings

RECORDS_LATE_COUNT: Final = 1_000  # a second of a busy partition
FORWARDS_LATE_COUNT: Final = 100
PROJECTION_LATE_COUNT: Final = 20_000  # a second of a projector's work
ANSWER_SLOW_S: Final = 2.0
LOOP_LATE_S: Final = 0.5
STALE_MS: Final = Settings().registry.staleness_max_ms
SERIES_SUFFIXES: Final = ("_bucket", "_count", "_sum")


class Alert(NamedTuple):
    """One rule: `since` is how long it must hold, `severity` page or ticket."""

    name: str
    expression: str
    since: str
    severity: str
    summary: str
    action: str


# Thresholds that are settings are the defaults.
ALERTS: Final = (
    Alert(
        "SwitchPartitionWithoutOwner",
        "sum by (partition) (switch_partition_owned) < 1 or absent(switch_partition_owned)",
        "15s",
        "page",
        "Partition {{ $labels.partition }} has no owner: its merchants get no answer.",
        "switch status says which handlers there are; start one, or see why none claims.",
    ),
    Alert(
        "SwitchPartitionClaimedAgainAndAgain",
        "sum by (partition) (increase(switch_takeovers_total[10m])) > 5",
        "1m",
        "ticket",
        "Handlers take partition {{ $labels.partition }} from each other.",
        "Look for handlers that pause (memory, processor) or lose their session.",
    ),
    Alert(
        "SwitchVoidRecords",
        "sum by (partition) (increase(switch_journal_void_records_total[10m])) > 0",
        "0s",
        "ticket",
        "A handler wrote to partition {{ $labels.partition }} after it had lost it.",
        "Nothing is doubled: the records do not count. Find out why that handler stood still.",
    ),
    Alert(
        "SwitchRequestsPileUp",
        f"max by (partition) (switch_partition_lag) > {RECORDS_LATE_COUNT}",
        "15s",
        "page",
        "Requests of partition {{ $labels.partition }} wait for their handler.",
        "Is its handler up, does the log acknowledge, does the issuer answer?",
    ),
    Alert(
        "SwitchAnswersSlow",
        "histogram_quantile(0.99, sum by (channel, le)"
        f" (rate(switch_answer_seconds_bucket[1m]))) > {ANSWER_SLOW_S:g}",
        "2m",
        "page",
        "One answer in a hundred on {{ $labels.channel }} takes too long.",
        "See the issuer's own time, then the log's, then switch_loop_delay_seconds.",
    ),
    Alert(
        "SwitchIssuerLinkDown",
        "max by (link) (switch_issuer_link_up) < 1",
        "15s",
        "page",
        "No handler is signed on to {{ $labels.link }}: its cards are declined.",
        "Call the issuer; payments go on by themselves once the link is up.",
    ),
    Alert(
        "SwitchForwardsPileUp",
        f"sum by (link) (switch_forwards_waiting) > {FORWARDS_LATE_COUNT}",
        "10m",
        "ticket",
        "Reversals and advices for {{ $labels.link }} are not answered.",
        "They are repeated until they are; ask the issuer what it does with them.",
    ),
    Alert(
        "SwitchCasesOpen",
        "sum(switch_cases_open) > 0",
        "1h",
        "ticket",
        "{{ $value }} cases wait for a person.",
        "switch case list says which; docs/cases.md what to do with each kind.",
    ),
    Alert(
        "SwitchRegistryStale",
        f"max by (instance) (switch_registry_age_ms) > {STALE_MS}",
        "5s",
        "page",
        "{{ $labels.instance }} cannot read the registry and declines.",
        "See whether the registry log can be read from there.",
    ),
    Alert(
        "SwitchProjectionLate",
        f"max by (projection) (switch_projection_lag) > {PROJECTION_LATE_COUNT}",
        "5m",
        "ticket",
        "The tables of {{ $labels.projection }} are {{ $value }} records behind; payments are not"
        " concerned.",
        "Is the projector up, is PostgreSQL? It catches up by itself.",
    ),
    Alert(
        "SwitchGatewayRefuses",
        "sum by (reason) (rate(switch_gateway_refusals_total[1m])) > 10",
        "1m",
        "page",
        "Gateways refuse requests before the log: {{ $labels.reason }}.",
        "/readyz of the gateways says what is slow or away.",
    ),
    Alert(
        "SwitchLoopLate",
        f"max by (instance) (switch_loop_delay_seconds) > {LOOP_LATE_S:g}",
        "1m",
        "ticket",
        "{{ $labels.instance }} wakes up late: it is short of processor time.",
        "Give it a core of its own, or more handlers fewer partitions each.",
    ),
    Alert(
        "SwitchProcessAway",
        'up{job="payment-switch"} < 1',
        "30s",
        "page",
        "{{ $labels.instance }} does not answer.",
        "Its partitions are taken over; see why it ended before it is started again.",
    ),
)


def find_metrics(expression: str) -> set[str]:
    """Return the names of the switch's own metrics in a PromQL expression."""
    found = set()
    for name in re.findall(r"\bswitch_\w+", expression):
        stem = next((name.removesuffix(s) for s in SERIES_SUFFIXES if name.endswith(s)), name)
        found.add(stem)
    return found


def write_alerts() -> str:
    """Return the rule file (YAML)."""
    lines = ["# Written by `make docs` from infra/grafana/alerts.py.", "groups:"]
    lines += ["  - name: payment-switch", "    rules:"]
    for alert in ALERTS:
        lines += _write_alert(alert)
    return "\n".join(lines) + "\n"


def _write_alert(alert: Alert) -> Iterator[str]:
    yield f"      - alert: {alert.name}"
    yield f"        expr: {json.dumps(alert.expression)}"
    yield f"        for: {alert.since}"
    yield f"        labels: {{severity: {alert.severity}}}"
    yield "        annotations:"
    yield f"          summary: {json.dumps(alert.summary)}"
    yield f"          action: {json.dumps(alert.action)}"
