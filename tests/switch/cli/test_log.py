import json

from click.testing import CliRunner

from loadtest.generated_journal import SEALED_PAN
from switch.cli.log import hide_secrets
from switch.cli.main import main


def invoke(data_dir, *arguments):
    return CliRunner().invoke(main, ["log", "cat", *arguments, "--data", str(data_dir)])


def read_lines(data_dir, *arguments):
    result = invoke(data_dir, *arguments, "--format", "json")
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.output.splitlines()]


def test_a_partition_is_printed_whole_with_epochs_and_void_marks(readable_instance):
    lines = read_lines(readable_instance.data_dir, "--partition", "1")
    assert [line["offset"] for line in lines] == list(range(500))
    assert lines[0]["record"]["events"][0]["type"] == "partition-claimed.v1"
    claims = {
        line["offset"]: line["record"]["claim_id"]
        for line in lines
        if line["record"]["events"][0]["type"] == "partition-claimed.v1"
    }
    for line in lines:
        assert line["is_void"] == (claims[line["epoch"]] != line["record"]["claim_id"])
    assert any(line["is_void"] for line in lines)


def test_a_part_of_a_partition_keeps_the_epoch_and_the_marks(readable_instance):
    whole = read_lines(readable_instance.data_dir, "--partition", "1")
    part = read_lines(readable_instance.data_dir, "--partition", "1", "--from", "77", "--to", "99")
    assert part == whole[77:100]


def test_sealed_blobs_are_hidden_in_every_log(readable_instance):
    data_dir = readable_instance.data_dir
    for name in ("journal", "inbound", "registry"):
        output = invoke(data_dir, "--log", name).output
        for secret in (SEALED_PAN.decode(), "c2VhbGVk", "YSBzZWFsZWQ", "AAECAwQFBgc"):
            assert secret not in output
        assert "hidden>" in output


def test_void_records_are_marked_for_people(readable_instance):
    output = invoke(readable_instance.data_dir).output
    assert "  VOID  " in output
    assert "payment-requested.v1" in output
    assert "622588******9999" in output


def test_a_record_of_another_program_is_shown_and_said_so(readable_instance):
    lines = read_lines(readable_instance.data_dir, "--log", "registry")
    assert "from-the-future" in lines[1]["record"]["events"][0]["type"]
    assert "cannot read" in lines[1]["fault"]
    assert "cannot read" in invoke(readable_instance.data_dir, "--log", "registry").output


def test_an_inbound_log_has_no_claims(readable_instance):
    [line] = read_lines(readable_instance.data_dir, "--log", "inbound")
    assert line["epoch"] == -1
    assert line["record"]["inbound_id"] == "gateway-1-1"


def test_nothing_there_ends_with_1_and_a_wrong_partition_with_2(readable_instance):
    assert invoke(readable_instance.data_dir, "--from", "500").exit_code == 1
    assert invoke(readable_instance.data_dir, "--partition", "7").exit_code == 2


def test_the_log_of_a_stopped_instance_can_be_read(readable_instance, tmp_path):
    (tmp_path / "log.db").write_bytes((readable_instance.data_dir / "log.db").read_bytes())
    assert len(read_lines(tmp_path)) == 500


def test_without_a_log_it_ends_with_3(tmp_path):
    assert invoke(tmp_path).exit_code == 3


def test_secrets_are_hidden_at_any_depth():
    content = {"a": [{"sealed_x": "abc", "track2": "1=2", "masked_pan": "6***9"}], "pan": "1"}
    assert hide_secrets(content) == {
        "a": [{"sealed_x": "<3 hidden>", "track2": "<3 hidden>", "masked_pan": "6***9"}],
        "pan": "<1 hidden>",
    }
