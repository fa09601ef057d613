from loadtest.bare_pipe import BarePipe, Patch, PipeMessages, RecordSizes
from loadtest.frames import DIALECT, make_templates, read_answer
from loadtest.world import make_terminals
from switch.codec import load_dialect

UNIONPAY = load_dialect(DIALECT)


def test_a_patch_exchanges_two_values_by_position():
    patch = Patch(b"<765432|987654321098>", b"765432", b"987654321098")
    assert patch.fill(b"000001", b"000000000007") == b"<000001|000000000007>"


def test_the_pipe_finds_the_trace_number_of_what_terminals_send():
    messages = PipeMessages()
    for spec in make_terminals(3):
        frame = make_templates(UNIONPAY, spec).sale.build(12_300, 4_711)[2:]
        assert messages.read_stan(frame) == bytes.fromhex("004711")
        assert messages.read_partition(frame, 256) == ord(spec.terminal_id[-1])


def test_the_pipe_answers_so_that_terminals_understand():
    frame = PipeMessages().answer.fill(bytes.fromhex("004711"), b"770000000001")
    heard = read_answer(UNIONPAY, frame[2:])
    assert (heard.stan, heard.rrn, heard.response_code) == ("004711", "770000000001", "00")


def test_the_pipe_debits_so_that_the_issuer_understands():
    frame = PipeMessages().make_debit(b"770000000007")
    message = load_dialect("iso1987-ascii").decode(frame[2:])
    assert message.fields["rrn"] == "770000000007"
    assert message.fields["stan"] == "000007"


def test_records_have_the_size_of_real_ones():
    pipe = BarePipe(RecordSizes(inbound=10, routed=20, outcome=30))
    sizes = [len(pipe.inbound_record), len(pipe.routed_record), len(pipe.outcome_record)]
    assert sizes == [10, 20, 30]
