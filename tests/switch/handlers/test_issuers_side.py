from switch.domain.upstream import MatchKey, UpstreamAnswer


def _answer(match, code="00"):
    return UpstreamAnswer(link="issuer-1", match=match, mti="0210", fields={"response_code": code})


def test_an_answer_with_another_trace_number_is_nobodys(world, make_message):
    world.send(make_message())
    match = world.sent[0].request.match
    for wrong in (
        match._replace(stan="000099"),
        MatchKey("payment", match.stan, "019999999999", match.terminal_id),
    ):
        world.partition.on_issuer_message(_answer(wrong), world.now)
        world.pump()
        world.acknowledge()
    assert world.tags() == ["PaymentRequested", "PaymentRouted"]


def test_a_reversal_waits_while_its_link_is_down_and_goes_out_when_it_is_back(world, make_message):
    world.send(make_message())
    world.partition.on_links((), frozenset({"issuer-1"}), world.now)
    world.pass_ms(5_000)
    assert world.sent_kinds() == ["0200"]
    world.partition.on_links(("issuer-1",), frozenset(), world.now)
    world.pass_ms(100)
    assert world.sent_kinds() == ["0200", "0420"]


def test_an_issuer_that_answers_nonsense_to_a_reversal_makes_a_case_and_the_lane_goes_on(
    world, make_message
):
    world.send(make_message())
    world.issuer_says("98")
    for _ in range(5):
        world.pass_ms(5_100)
        world.issuer_says("96")
    assert "CaseOpened" in world.tags()
    sent = len(world.sent)
    world.pass_ms(10_000)
    assert len(world.sent) == sent
    world.send(make_message(stan="000124"))
    world.issuer_says("98")
    world.pass_ms(100)
    assert world.sent_kinds()[-1] == "0420"


def test_a_debit_that_the_link_refused_was_certainly_not_sent(world, make_message):
    asked = world.send(make_message())
    world.partition.on_not_sent(world.sent[0].request.match.rrn, world.now)
    world.pump()
    world.acknowledge()
    assert world.answers(asked) == ["96"]
    assert world.remark(asked).startswith("send-window-missed")
