from switch.handlers.translate import NotUnderstood


def test_a_record_whose_decision_raises_is_parked_and_others_go_on(world, make_message):
    intake = world.partition._requests._intake
    real = intake.read
    intake.read = lambda _waiter: (_ for _ in ()).throw(RuntimeError("6200000000000005"))
    world.send(make_message())
    intake.read = real
    assert world.tags() == ["InboundParked"]
    assert "6200000000000005" not in str(world.journal)
    world.send(make_message(stan="000124"))
    assert world.sent_kinds() == ["0200"]


def test_unreadable_bytes_are_parked_once(world):
    world.partition.on_unreadable_inbound(0, "bad", world.now)
    world.pump()
    world.acknowledge()
    world.partition.on_unreadable_inbound(0, "bad", world.now)
    world.pump()
    assert world.tags() == ["InboundParked"]
    assert world.partition.next_inbound_offset == 1


def test_not_understood_is_a_format_error_with_its_place(world, make_message):
    intake = world.partition._requests._intake
    assert issubclass(NotUnderstood, Exception)
    asked = world.send(make_message(currency="999"))
    assert world.answers(asked) == ["30"]
    assert "DE 49 currency" in world.remark(asked)
    assert intake is not None
