"""Both ends of the pipe over the memory log; `test_bench_kafka_rate` runs them as processes."""

import asyncio

from loadtest.bare_pipe import RecordSizes
from loadtest.frames import DIALECT, make_templates, read_answer
from loadtest.kafka_pipe import GatewayEnd, HandlerEnd
from loadtest.world import make_terminals
from switch.codec import Message, load_dialect
from switch.eventlog.memory_log import MemoryLog

UNIONPAY, ISSUER = load_dialect(DIALECT), load_dialect("iso1987-ascii")
SIZES = RecordSizes(inbound=900, routed=1_200, outcome=600, reply=400)


class Wire(asyncio.Transport):
    """Keeps what is written to it."""

    def __init__(self):
        super().__init__()
        self.written = []

    def write(self, data):
        self.written.append(data[2:])


async def test_a_frame_goes_to_the_issuer_and_back_over_four_records():
    log = MemoryLog(partition_count=1)
    inbound, journal, replies = [
        await log.open_partition(name, 0) for name in ("inbound", "journal", "replies")
    ]
    gateway = GatewayEnd([inbound], SIZES)
    handler = HandlerEnd([journal], replies, SIZES)
    handler.issuer, terminal = Wire(), Wire()
    frame = make_templates(UNIONPAY, make_terminals(1)[0]).sale.build(12_300, 4_711)

    gateway.hear(terminal, frame[2:])
    log.pump()
    [asked] = inbound.partition.records
    handler.take(0, asked.value)
    assert handler.issuer.written == [], "a debit waits for its route record"
    log.pump()
    [debit] = [ISSUER.decode(each) for each in handler.issuer.written]
    rrn = debit.fields["rrn"]
    handler.hear_issuer(handler.issuer, ISSUER.encode(Message("0210", {"rrn": rrn})))
    assert not replies.queued, "a reply waits for its outcome record"
    log.pump()
    [replied] = replies.partition.records
    gateway.deliver(replied.value)
    [answer] = terminal.written

    heard = read_answer(UNIONPAY, answer)
    assert (heard.stan, heard.rrn, heard.response_code) == ("004711", rrn, "00")
    assert [len(each.value) for each in journal.partition.records] == [1_200, 600]
    assert (len(asked.value), len(replied.value)) == (900, 400)
