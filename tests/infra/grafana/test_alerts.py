import pytest
import yaml

from infra.grafana.alerts import ALERTS, find_metrics, write_alerts
from tests.infra.program import METRIC_NAMES


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_an_alert_looks_at_metrics_that_there_are(alert):
    assert find_metrics(alert.expression) <= METRIC_NAMES
    assert find_metrics(alert.expression) or alert.expression.startswith("up{")


def test_what_is_looked_for_in_a_histogram_is_the_histogram():
    found = find_metrics("rate(switch_answer_seconds_bucket[1m]) / switch_connections")
    assert found == {"switch_answer_seconds", "switch_connections"}


def test_every_alert_has_a_name_of_its_own_and_says_what_to_do():
    assert len({alert.name for alert in ALERTS}) == len(ALERTS)
    for alert in ALERTS:
        assert alert.summary
        assert alert.action
        assert alert.severity in ("page", "ticket")


def test_the_rule_file_says_what_the_rules_say():
    [group] = yaml.safe_load(write_alerts())["groups"]
    assert [rule["alert"] for rule in group["rules"]] == [alert.name for alert in ALERTS]
    for rule, alert in zip(group["rules"], ALERTS, strict=True):
        assert rule["expr"] == alert.expression
        assert rule["for"] == alert.since
        assert rule["labels"] == {"severity": alert.severity}
        assert rule["annotations"] == {"summary": alert.summary, "action": alert.action}


@pytest.mark.parametrize(
    "metric",
    [
        "switch_partition_owned",
        "switch_partition_lag",
        "switch_journal_void_records_total",
        "switch_issuer_link_up",
        "switch_registry_age_ms",
        "switch_projection_lag",
        "switch_cases_open",
    ],
)
def test_what_must_not_stay_unseen_wakes_somebody(metric):
    assert any(metric in find_metrics(alert.expression) for alert in ALERTS)
