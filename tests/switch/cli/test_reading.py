import asyncio
import json

import pytest

from switch.adapters.embedded_postgres import EmbeddedPostgres
from switch.cli.failure import CommandFailure
from switch.cli.reading import open_instance_log, open_log_for_reading, read_database


async def count_payments(connection):
    rows = await connection.fetch("SELECT count(*) AS payments FROM audit.payments")
    return rows[0]["payments"]


def test_the_instances_tables_can_be_asked(readable_instance):
    assert read_database(readable_instance.data_dir, count_payments) > 100


def test_postgresql_that_is_away_is_said_with_what_to_do(tmp_path):
    dsn = f"postgresql://postgres@/postgres?host={tmp_path}"
    (tmp_path / "addresses.json").write_text(json.dumps({"postgres": dsn}))
    with pytest.raises(CommandFailure, match=r"cannot be reached.*still runs") as caught:
        read_database(tmp_path, count_payments)
    assert caught.value.exit_code == 3


def test_an_instance_without_postgresql_yet_is_said(tmp_path):
    (tmp_path / "addresses.json").write_text(json.dumps({"http": "127.0.0.1:1"}))
    with pytest.raises(CommandFailure, match="no PostgreSQL yet"):
        read_database(tmp_path, count_payments)


@pytest.mark.parametrize("role", ["gateway", "handler", "registrar"])
def test_who_asks_another_role_for_tables_is_sent_to_a_projector(tmp_path, role):
    (tmp_path / "addresses.json").write_text(json.dumps({"role": role}))
    words = f"is the folder of a {role}: name that of a projector"
    with pytest.raises(CommandFailure, match=words) as caught:
        read_database(tmp_path, count_payments)
    assert caught.value.exit_code == 2


def test_missing_tables_are_said(tmp_path):
    with EmbeddedPostgres(tmp_path / "pg") as server:
        (tmp_path / "addresses.json").write_text(json.dumps({"postgres": server.dsn}))
        with pytest.raises(CommandFailure, match="no tables yet") as caught:
            read_database(tmp_path, count_payments)
    assert caught.value.exit_code == 6


def test_a_log_that_cannot_be_opened_is_said(tmp_path):
    (tmp_path / "addresses.json").write_text(json.dumps({"log": "carrier-pigeon://x"}))
    with pytest.raises(CommandFailure, match="names no log"):
        asyncio.run(open_instance_log(tmp_path))


def test_who_asks_kafka_is_told_by_the_environment(monkeypatch):
    monkeypatch.setenv("SWITCH__LOG__SECURITY_PROTOCOL", "sasl_ssl")
    with pytest.raises(CommandFailure, match=r"log\.sasl_username") as caught:
        asyncio.run(open_log_for_reading("kafka://127.0.0.1:1"))
    assert caught.value.exit_code == 2


def test_a_setting_that_cannot_be_is_named(monkeypatch):
    monkeypatch.setenv("SWITCH__LOG__SECURITY_PROTOCOL", "trust")
    with pytest.raises(CommandFailure, match="security_protocol") as caught:
        asyncio.run(open_log_for_reading("kafka://127.0.0.1:1"))
    assert caught.value.exit_code == 2
