from switch.gateway.unproven import UnprovenMessages


def admits(messages, mti, terminal_id, boot_ms, acquirer="a", *, is_proven=False):
    return messages.admits(mti, acquirer, terminal_id, boot_ms, is_proven=is_proven)


def test_each_terminal_is_counted_by_itself_and_anew_in_each_minute():
    messages = UnprovenMessages(2)
    heard = [admits(messages, mti, "t1", 1_000) for mti in ("0800", "0820", "0800")]
    assert heard == [True, True, False]
    assert admits(messages, "0800", "t2", 1_010)
    assert admits(messages, "0820", "t1", 1_010, acquirer="b")
    assert not admits(messages, "0820", "t1", 60_999)
    assert admits(messages, "0800", "t1", 61_000)


def test_what_carries_a_mac_is_not_counted():
    messages = UnprovenMessages(0)
    assert all(admits(messages, mti, "t1", 0) for mti in ("0200", "0400", "0320", "0620"))


def test_a_flood_of_sign_ons_leaves_room_for_the_totals_of_a_batch():
    messages = UnprovenMessages(1)
    assert [admits(messages, "0800", "t1", 0) for _ in range(2)] == [True, False]
    assert [admits(messages, "0500", "t1", 0) for _ in range(2)] == [True, False]


def test_who_has_proven_a_key_is_not_counted_with_strangers():
    messages = UnprovenMessages(1)
    assert [admits(messages, "0500", "t1", 0) for _ in range(2)] == [True, False]
    assert [admits(messages, "0500", "t1", 0, is_proven=True) for _ in range(2)] == [True, False]
