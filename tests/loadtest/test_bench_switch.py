import asyncio

from loadtest.bench_switch import read_record_sizes
from switch.adapters.sqlite_log import SqliteLog


async def test_record_sizes_are_those_of_the_log(tmp_path):
    log = SqliteLog(tmp_path / "log.db", partition_count=1)
    for name, value in [
        ("inbound", b'{"type":"request-received.v1"}' + b" " * 70),
        ("journal", b'{"type":"payment-routed.v1"}' + b" " * 172),
        ("journal", b'{"type":"payment-approved.v1"}' + b" " * 20),
        ("journal", b'{"type":"payment-approved.v1"}' + b" " * 70),
    ]:
        opened = await log.open_partition(name, 0)
        acked = asyncio.get_running_loop().create_future()
        opened.append(value, acked.set_result)
        await asyncio.wait_for(acked, 10)
    await log.close()
    sizes = read_record_sizes(tmp_path)
    assert (sizes.inbound, sizes.routed, sizes.outcome) == (100, 200, 75)
