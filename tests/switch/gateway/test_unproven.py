from switch.gateway.unproven import UnprovenMessages


def test_each_terminal_is_counted_by_itself_and_anew_in_each_minute():
    messages = UnprovenMessages(2)
    assert [messages.admits("0800", "a", "t1", 1_000 + n) for n in range(3)] == [True, True, False]
    assert messages.admits("0500", "a", "t2", 1_010)
    assert messages.admits("0820", "b", "t1", 1_010)
    assert not messages.admits("0500", "a", "t1", 60_999)
    assert messages.admits("0800", "a", "t1", 61_000)


def test_what_carries_a_mac_is_not_counted():
    messages = UnprovenMessages(0)
    assert all(messages.admits(mti, "a", "t1", 0) for mti in ("0200", "0400", "0320", "0620"))
