def test_a_debit_carries_its_window_and_a_reversal_none(world, make_message):
    world.send(make_message())
    world.pass_ms(3_200)
    debit, reversal = world.sent[:2]
    assert debit.send_before_boot_ms == 50_000 + 500
    assert reversal.send_before_boot_ms == 0
