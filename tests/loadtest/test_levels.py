from loadtest.levels import LevelRunner
from loadtest.scenario import Mix


async def test_levels_go_on_with_the_same_terminals(stand_in, spec_of):
    peer = stand_in()
    async with peer.listening() as address:
        specs = [spec_of(number) for number in range(1, 5)]
        runner = LevelRunner(specs, address, switch_pid=None, seconds=0.4, mac_check_share=1.0)
        first, second = await runner.run(50), await runner.run(100)
    assert (first.faults, second.faults) == ({}, {})
    assert first.answered_per_s == 50
    assert second.answered_per_s == 100
    assert len(runner.told) == 20 + 40
    stans = [(message.fields["terminal_id"], message.fields["stan"]) for message in peer.received]
    assert len(set(stans)) == len(stans)


async def test_a_level_tells_its_faults(stand_in, spec_of):
    peer = stand_in(wrong_mac=True)
    async with peer.listening() as address:
        runner = LevelRunner(
            [spec_of(1)],
            address,
            switch_pid=None,
            seconds=0.2,
            mix=Mix(declines=1.0),
            mac_check_share=1.0,
        )
        level = await runner.run(20)
    assert level.faults == {"sale: wrong MAC in the answer": 4}
    assert not level.holds(p99_ms_max=1_000)
