from switch.handlers.waiting import WAITER_COUNT_MAX


def test_so_many_repeats_wait_for_one_payment_and_no_more(world, make_message):
    asked = [world.send(make_message("0201" if n else "0200")) for n in range(WAITER_COUNT_MAX + 2)]
    world.issuer_says("00")
    told = [inbound_id for inbound_id in asked if world.answers(inbound_id)]
    assert told == asked[:WAITER_COUNT_MAX]


def test_an_answer_that_cannot_be_built_stops_nobody(world, make_message):
    world.send(make_message())
    world.partition._waiting._answerer._institution_id = "not digits"
    world.issuer_says("00")
    assert world.partition.untold_count == 1
    assert world.tags()[-1] == "PaymentApproved"
