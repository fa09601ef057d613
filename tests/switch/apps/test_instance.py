import json

import pytest

from switch.adapters.telemetry import make_telemetry
from switch.apps.demo import load_demo_world
from switch.apps.instance import Instance, make_partition_settings
from switch.apps.settings import Settings
from switch.security.keystore import KeyStoreFault


def read_ledger(folder):
    lines = (folder / "ledger.jsonl").read_text().splitlines()
    return [json.loads(line) for line in lines]


async def test_a_payment_is_approved_once_whatever_is_repeated(running, tmp_path):
    first = await running.pay("k-1")
    assert (first[0], first[1]["status"], first[1]["response_code"]) == (201, "approved", "00")
    assert await running.pay("k-1") == first
    status, problem = await running.pay("k-1", amount_minor=1235)
    assert (status, problem["rrn"]) == (422, first[1]["rrn"])
    debits = [line for line in read_ledger(tmp_path) if line["op"] == "debit"]
    assert [(line["rrn"], line["amount_minor"]) for line in debits] == [(first[1]["rrn"], 1234)]


async def test_a_decline_is_a_payment_with_words(running):
    status, payment = await running.pay("k-1", amount_minor=1251)
    assert (status, payment["status"], payment["money_state"]) == (201, "declined", "not-debited")
    assert payment["message_zh"]


async def test_an_instance_is_ready_and_says_what_it_does(running):
    assert running.telemetry.readiness.reasons() == {}
    status = running.instance.status()
    assert all(one["state"] == "serving" for one in status["partitions"])
    assert [one["state"] for one in status["links"]] == ["up"]


def test_a_partition_is_set_up_as_the_settings_say():
    settings = Settings()
    partition = make_partition_settings(settings, 7)
    assert partition.partition_count == 7
    assert partition.issuer_timeout_ms == settings.times.issuer_timeout_ms
    assert partition.send_window_ms == settings.times.send_window_ms
    assert partition.lanes.issuer_delay_max_ms == settings.times.issuer_delay_max_ms
    assert partition.rules.tombstone_ms == settings.handler.tombstone_ms
    assert partition.rules.cases.open_after_ms == settings.cases.open_after_ms
    over_minor = settings.cases.second_person_over_minor
    assert partition.rules.cases.second_person_over_minor == over_minor
    terminals = partition.rules.terminals
    assert terminals.sign_on_window_ms == settings.terminals.sign_on_window_ms
    assert terminals.lost_key_ms == settings.terminals.lost_key_ms
    assert terminals.upload_late_ms == settings.terminals.upload_late_ms


async def test_a_process_with_a_projector_beside_it_says_so(running):
    assert running.instance.describe().roles == ("gateway", "handler", "registrar")
    running.instance.list_projections = list
    assert running.instance.describe().roles == ("gateway", "handler", "projector", "registrar")


def make_instance(folder, keys):
    return Instance(
        Settings(),
        data_directory=folder,
        keys_directory=folder / keys,
        log_url=f"sqlite://{folder}/log.db",
        is_demo=True,
        telemetry=make_telemetry("test"),
        find_dsn=str,
    )


async def test_a_log_is_not_served_with_the_keys_of_another(tmp_path):
    instance = make_instance(tmp_path, "keys")
    await instance.open()
    await instance.registrar.load(load_demo_world().document, "test")
    await instance.close()
    again = make_instance(tmp_path, "keys")
    await again.open()
    await again.close()
    stranger = make_instance(tmp_path, "other-keys")
    with pytest.raises(KeyStoreFault, match="restore the keys that belong to it"):
        await stranger.open()
    await stranger.close()
