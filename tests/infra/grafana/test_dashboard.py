import json

from infra.grafana.alerts import find_metrics
from infra.grafana.dashboard import list_queries, write_dashboard
from switch.adapters.telemetry import METRICS, MetricSpec

DASHBOARD = json.loads(write_dashboard())
PANELS = [one for one in DASHBOARD["panels"] if one["type"] != "row"]


def test_every_metric_has_its_panel_and_no_other_is_shown():
    shown = [find_metrics(target["expr"]) for panel in PANELS for target in panel["targets"][:1]]
    assert sorted(name for names in shown for name in names) == sorted(m.name for m in METRICS)


def test_a_panel_says_what_its_metric_says():
    assert {panel["description"] for panel in PANELS} == {m.description for m in METRICS}


def test_no_two_panels_lie_upon_each_other():
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in DASHBOARD["panels"])
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


def test_ids_are_told_apart():
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


def test_each_kind_is_asked_for_in_its_own_way():
    chosen = '{instance=~"$instance"}'
    counter = MetricSpec("switch_a_total", "counter", "", ("link",))
    gauge = MetricSpec("switch_b", "gauge", "")
    histogram = MetricSpec("switch_c_seconds", "histogram", "", ("channel",))
    assert list(list_queries(counter)) == [
        (f"sum by (link) (rate(switch_a_total{chosen}[1m]))", "{{link}}")
    ]
    assert list(list_queries(gauge)) == [(f"sum by (instance) (switch_b{chosen})", "{{instance}}")]
    assert [legend for _, legend in list_queries(histogram)] == [
        "{{channel}} p50",
        "{{channel}} p99",
    ]
