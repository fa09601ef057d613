"""Events of a link are told apart by their type, never by their content."""

from switch.domain.upstream import MatchKey, UpstreamAnswer
from switch.issuers.events import Answered, LateAnswer, Unmatched

ANSWER = UpstreamAnswer(
    link="demo", match=MatchKey("payment", "000001", "010000000001", "t"), mti="0210", fields={}
)


def test_a_late_answer_is_another_event_than_the_same_answer_in_time() -> None:
    assert (
        len({type(event) for event in (Answered(ANSWER), LateAnswer(ANSWER), Unmatched(ANSWER))})
        == 3
    )
