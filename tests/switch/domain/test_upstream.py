from switch.domain.upstream import MatchKey


def test_two_requests_that_differ_in_the_rrn_alone_never_match():
    one = MatchKey("payment", "000001", "000000000001", "00000001")
    two = MatchKey("payment", "000001", "000000000002", "00000001")
    assert one != two
    assert len({one, two}) == 2
