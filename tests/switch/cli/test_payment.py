import asyncio
import json

import asyncpg
import pytest
from click.testing import CliRunner

from switch.cli.main import main


def invoke(data_dir, *arguments):
    return CliRunner().invoke(main, ["payment", *arguments, "--data", str(data_dir)])


@pytest.fixture(scope="module")
def sale(readable_instance):
    """The first payment of partition 0, whatever became of it."""
    result = invoke(readable_instance.data_dir, "000000000001", "--format", "json")
    assert result.exit_code == 0, result.output
    return json.loads(result.output)


def test_the_case_file_answers_the_one_question_and_shows_every_step(readable_instance, sale):
    result = invoke(readable_instance.data_dir, sale["payment"]["rrn"])
    assert result.exit_code == 0
    assert result.output.splitlines()[0] == sale["verdict"]
    assert "622588******9999" in result.output
    assert result.output.count("0/1.") == 2
    assert "0/1.0" in result.output
    assert len(sale["steps"]) >= 2
    assert {"gap_ms", "registry_position", "rule", "told_terminal", "told_issuer"} <= set(
        sale["steps"][0]
    )


def test_it_is_found_by_key_and_by_stan_and_terminal(readable_instance, sale):
    payment = sale["payment"]
    by_key = invoke(readable_instance.data_dir, payment["idempotency_key"], "--format", "json")
    assert json.loads(by_key.output)["payment"]["rrn"] == payment["rrn"]
    by_stan = invoke(
        readable_instance.data_dir,
        *("--stan", payment["stan"].lstrip("0"), "--terminal", payment["terminal_id"]),
        *("--format", "json"),
    )
    assert by_stan.exit_code == 0
    assert json.loads(by_stan.output)["payment"]["stan"] == payment["stan"]


def test_a_narrow_terminal_gets_its_steps_downwards(readable_instance, sale, monkeypatch):
    monkeypatch.setattr("switch.cli.screen.PIPE_WIDTH", 80)
    shown = invoke(readable_instance.data_dir, sale["payment"]["rrn"]).output
    assert shown.splitlines()[0] == sale["verdict"]  # one line, however long
    assert max(map(len, shown.splitlines()[1:])) <= 80
    assert "…" not in shown
    for step in sale["steps"]:
        assert step["title"].split()[0] in shown
    assert shown.count("0/1.") == 2
    assert "registry position:" in shown


def test_a_card_number_is_not_repeated(readable_instance):
    result = invoke(readable_instance.data_dir, "6200000000000005")
    assert result.exit_code == 2
    assert "6200000000000005" not in result.output


def test_what_is_not_there_ends_with_1(readable_instance):
    result = invoke(readable_instance.data_dir, "991234567890")
    assert result.exit_code == 1
    assert "no payment under 991234567890" in result.output


@pytest.mark.parametrize(
    "arguments", [[], ["1", "--stan", "1", "--terminal", "2"], ["--stan", "1"], ["--terminal", "1"]]
)
def test_a_half_reference_ends_with_2(tmp_path, arguments):
    result = invoke(tmp_path, *arguments)
    assert result.exit_code == 2
    assert "by RRN or key" in result.output


@pytest.mark.parametrize("stan", ["abc", "", "1234567", "-1", "12 3"])
def test_a_trace_number_that_cannot_be_is_refused_before_anybody_is_asked(tmp_path, stan):
    result = invoke(tmp_path, "--stan", stan, "--terminal", "10000001")
    assert result.exit_code == 2
    assert f"{stan!r} is no trace number" in result.output


def test_without_an_instance_it_ends_with_3(tmp_path):
    result = invoke(tmp_path, "000000000001")
    assert result.exit_code == 3
    assert "switch up" in result.output


def test_a_payment_names_what_changed_it_and_its_cases(readable_instance):
    async def find():
        connection = await asyncpg.connect(readable_instance.dsn)
        refund = await connection.fetchrow(
            "SELECT rrn, original_rrn FROM audit.payments WHERE kind = 'refund' LIMIT 1"
        )
        case = await connection.fetchrow(
            "SELECT case_id, rrn FROM audit.cases WHERE rrn <> '' LIMIT 1"
        )
        await connection.close()
        return refund, case

    refund, case = asyncio.run(find())

    def show(rrn):
        return invoke(readable_instance.data_dir, rrn).output

    assert f"changed by {refund['rrn']}  refund of" in show(refund["original_rrn"])
    assert f"changes   {refund['original_rrn']}" in show(refund["rrn"])
    assert f"case      {case['case_id']}" in show(case["rrn"])
