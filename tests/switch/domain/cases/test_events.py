import typing

from switch.domain.cases.events import CaseEvent, Resolution
from switch.domain.payment.events import Event
from switch.eventlog.journal import JournalEvent


def test_every_event_of_cases_is_in_the_union_that_readers_decode():
    kinds = {kind for kind in Event.__subclasses__() if kind.__module__.endswith("cases.events")}
    assert set(typing.get_args(CaseEvent)) == kinds
    assert kinds < set(typing.get_args(JournalEvent))


def test_every_event_of_cases_names_its_case_and_its_payment():
    for kind in typing.get_args(CaseEvent):
        assert {"case_id", "rrn", "at"} <= set(kind.__struct_fields__)


def test_the_words_of_a_resolution_are_those_of_the_command_line():
    assert [one.value for one in Resolution] == ["no-action", "returned", "stands", "return-money"]
