import json

from click.testing import CliRunner

from switch.cli.main import main


def invoke(instance, *arguments):
    data = ("--data", str(instance.data_dir))
    return CliRunner().invoke(main, ["settlement", "show", *arguments, *data])


def test_a_day_is_shown_by_merchant_with_its_sum(readable_instance):
    result = invoke(readable_instance, "2026-11-22")
    assert result.exit_code == 0, result.output
    assert "898110154100000" in result.output
    assert "all" in result.output
    shown = json.loads(invoke(readable_instance, "2026-11-22", "--format", "json").output)
    assert shown["settlement_date"] == "2026-11-22"
    total = shown["sums"]["156"]
    for name in ("gross_minor", "fee_minor", "net_minor", "approval_count"):
        assert total[name] == sum(one[name] for one in shown["totals"])
    assert total["net_minor"] == total["gross_minor"] - total["fee_minor"]


def test_one_merchant_can_be_asked_for(readable_instance):
    merchant = ("--merchant", "898110154100001", "--format", "json")
    shown = json.loads(invoke(readable_instance, "2026-11-22", *merchant).output)
    assert {one["merchant_id"] for one in shown["totals"]} == {"898110154100001"}


def test_a_day_without_lines_ends_with_1_and_names_days_that_have_some(readable_instance):
    result = invoke(readable_instance, "2020-01-01")
    assert result.exit_code == 1
    assert "days with lines: 2026-11-23, 2026-11-22" in result.output


def test_without_a_date_the_latest_day_is_shown(readable_instance):
    shown = json.loads(invoke(readable_instance, "--format", "json").output)
    assert shown["settlement_date"] == "2026-11-23"


def test_a_merchant_without_lines_is_named(readable_instance):
    result = invoke(readable_instance, "2026-11-22", "--merchant", "nobody")
    assert result.exit_code == 1
    assert "nothing settles on 2026-11-22 for merchant nobody" in result.output


def test_what_is_no_date_ends_with_2(readable_instance):
    result = invoke(readable_instance, "22.11.2026")
    assert result.exit_code == 2
    assert "like 2026-11-22" in result.output
