import json
import secrets

import pytest
from click.testing import CliRunner

from switch.cli.topics import topics


@pytest.fixture
def log_url(kafka_bootstrap):
    return f"kafka://{kafka_bootstrap}?prefix=cli-topics-{secrets.token_hex(4)}-"


def run(*words):
    return CliRunner().invoke(topics, list(words))


@pytest.mark.kafka
def test_topics_are_made_once_and_shown(log_url):
    words = ("--log", log_url, "--partitions", "3", "--single-broker", "--format", "json")
    made = run("create", *words)
    assert made.exit_code == 0, made.output
    shown = json.loads(made.output)
    assert shown["faults"] == []
    assert {one["log"]: one["partition_count"] for one in shown["topics"]} == {
        "inbound": 3,
        "journal": 3,
        "registry": 1,
        "replies": 16,
        "snapshots": 3,
        "status": 1,
    }
    assert all(one["made"] for one in shown["topics"])
    again = run("create", *words)
    assert not any(one["made"] for one in json.loads(again.output)["topics"])


@pytest.mark.kafka
def test_a_table_shows_what_each_topic_keeps(log_url):
    made = run("create", "--log", log_url, "--single-broker")
    assert made.exit_code == 0, made.output
    assert made.output.endswith("well: no topic would lose money\n")
    [journal] = [line for line in made.output.splitlines() if "-journal" in line]
    assert journal.split()[1:] == ["made", "4", "1", "1", "delete", "for", "ever"]
    [snapshots] = [line for line in made.output.splitlines() if "-snapshots" in line]
    assert snapshots.rstrip().endswith("newest of each key")


@pytest.mark.kafka
def test_topics_that_would_lose_money_end_with_seven_and_what_to_do(log_url):
    run("create", "--log", log_url, "--single-broker")
    checked = run("check", "--log", log_url)
    assert checked.exit_code == 7
    assert "keeps one copy of each record" in checked.output
    assert "reassign it with 3 replicas" in checked.output
    assert "--single-broker (log.single_broker)" in checked.output
    told = [line for line in checked.output.splitlines() if line.startswith("each of the topics ")]
    assert len(told) == 2, "one line a fault, however many topics have it"


@pytest.mark.kafka
def test_a_check_makes_nothing(log_url):
    for _ in range(2):
        checked = run("check", "--log", log_url, "--format", "json", "--single-broker")
        assert checked.exit_code == 7
        faults = json.loads(checked.stdout)["faults"]
        assert {fault["reason"] for fault in faults} == {"is not there"}


def test_an_embedded_log_has_no_topics():
    refused = run("check")
    assert refused.exit_code == 2
    assert "which log? Name it with --log kafka://HOST:PORT" in refused.output


def test_no_broker_is_a_fault():
    failed = run("check", "--log", "kafka://127.0.0.1:1")
    assert failed.exit_code == 6
    assert "no Kafka broker" in failed.output


def test_a_setting_that_cannot_be_is_refused():
    refused = run("create", "--log", "kafka://127.0.0.1:1", "--replication", "1")
    assert refused.exit_code == 2
    assert "replication_factor" in refused.output
