"""The Grafana dashboard: a panel for every metric there is, in rows by what it is about."""

import json
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Any, Final

from switch.adapters.telemetry import METRICS, MetricSpec

PANEL_WIDTH: Final = 8  # of 24
PANEL_HEIGHT: Final = 8
COLUMN_COUNT: Final = 3
RATE_SPAN: Final = "1m"
QUANTILES: Final = (0.5, 0.99)
# The first that a metric's name begins with; the last takes what is left.
ROWS: Final = (
    ("Payments", ("switch_answer", "switch_gateway", "switch_payment")),
    ("Partitions", ("switch_partition", "switch_journal", "switch_takeover", "switch_snapshot")),
    ("Issuers", ("switch_issuer", "switch_forwards")),
    ("Cases", ("switch_case",)),
    ("Registry and projections", ("switch_registry", "switch_projection")),
    ("Connections and processes", ("",)),
)
_SOURCE: Final = {"type": "prometheus", "uid": "${source}"}


def write_dashboard(metrics: Sequence[MetricSpec] = METRICS) -> str:
    """Return the dashboard (JSON)."""
    dashboard = {
        "uid": "payment-switch",
        "title": "Payment switch",
        "description": "Written by `make docs` from the metrics registry.",
        "schemaVersion": 39,
        "editable": False,
        "refresh": "10s",
        "time": {"from": "now-1h", "to": "now"},
        "templating": {"list": _list_variables()},
        "panels": list(_list_panels(metrics)),
    }
    return json.dumps(dashboard, indent=1) + "\n"


def _list_variables() -> list[dict[str, Any]]:
    return [
        {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"},
        {
            "name": "instance",
            "label": "Process",
            "type": "query",
            "datasource": _SOURCE,
            "query": "label_values(switch_loop_delay_seconds, instance)",
            "refresh": 2,
            "multi": True,
            "includeAll": True,
            "allValue": ".*",
        },
    ]


def _list_panels(metrics: Sequence[MetricSpec]) -> Iterator[dict[str, Any]]:
    ids = count(1)
    y = 0
    left = list(metrics)
    for title, prefixes in ROWS:
        chosen = [metric for metric in left if metric.name.startswith(prefixes)]
        left = [metric for metric in left if metric not in chosen]
        if not chosen:
            continue
        yield {
            "id": next(ids),
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": y, "w": 24, "h": 1},
            "panels": [],
        }
        y += 1
        for index, metric in enumerate(chosen):
            row, column = divmod(index, COLUMN_COUNT)
            place = {"x": column * PANEL_WIDTH, "y": y + row * PANEL_HEIGHT}
            yield _make_panel(next(ids), metric, place)
        y += -(-len(chosen) // COLUMN_COUNT) * PANEL_HEIGHT


def _make_panel(number: int, metric: MetricSpec, place: dict[str, int]) -> dict[str, Any]:
    return {
        "id": number,
        "type": "timeseries",
        "title": metric.name.removeprefix("switch_"),
        "description": metric.description,
        "datasource": _SOURCE,
        "gridPos": {**place, "w": PANEL_WIDTH, "h": PANEL_HEIGHT},
        "fieldConfig": {"defaults": {"unit": _find_unit(metric), "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "expr": query, "legendFormat": legend}
            for index, (query, legend) in enumerate(list_queries(metric))
        ],
    }


def list_queries(metric: MetricSpec) -> Iterator[tuple[str, str]]:
    """Yield (PromQL, legend) of a metric's panel."""
    labels = metric.labels or ("instance",)
    legend = " ".join(f"{{{{{label}}}}}" for label in labels)
    chosen = '{instance=~"$instance"}'
    by = ", ".join(labels)
    if metric.kind == "counter":
        yield f"sum by ({by}) (rate({metric.name}{chosen}[{RATE_SPAN}]))", legend
    elif metric.kind == "gauge":
        yield f"sum by ({by}) ({metric.name}{chosen})", legend
    else:
        for quantile in QUANTILES:
            rates = f"rate({metric.name}_bucket{chosen}[{RATE_SPAN}])"
            query = f"histogram_quantile({quantile:g}, sum by ({by}, le) ({rates}))"
            yield query, f"{legend} p{quantile * 100:g}"


def _find_unit(metric: MetricSpec) -> str:
    if metric.kind == "counter":
        return "cps"
    units = {"seconds": "s", "ms": "ms", "bytes": "bytes"}
    return units.get(metric.name.rpartition("_")[2], "short")
