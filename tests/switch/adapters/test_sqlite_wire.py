import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.adapters.sqlite_wire import (
    RecordParser,
    Run,
    RunParser,
    WrittenRecord,
    pack_record_head,
    pack_run,
)
from switch.eventlog.port import AppendRefused, AppendUnknown

records = st.lists(
    st.builds(
        WrittenRecord,
        appender=st.integers(0, 2**32 - 1),
        stream_key=st.integers(0, 2**62),
        value=st.binary(max_size=50),
    )
)
runs = st.lists(
    st.tuples(
        st.integers(1, 2**32 - 1),
        st.one_of(
            st.none(), st.builds(AppendRefused, st.text()), st.builds(AppendUnknown, st.text())
        ),
    )
)


def cut(data: bytes, size: int) -> list[bytes]:
    return [data[at : at + size] for at in range(0, len(data), size)]


@given(sent=records, size=st.integers(1, 40))
def test_records_arrive_whole_however_the_bytes_are_cut(sent, size):
    data = b"".join(
        pack_record_head(r.appender, len(r.value), r.stream_key) + r.value for r in sent
    )
    parser = RecordParser()
    assert [r for part in cut(data, size) for r in parser.receive_data(part)] == sent


@given(sent=runs, size=st.integers(1, 40))
def test_runs_arrive_whole_however_the_bytes_are_cut(sent, size):
    data = b"".join(pack_run(Run(count, failure)) for count, failure in sent)
    parser = RunParser()
    got = [run for part in cut(data, size) for run in parser.receive_data(part)]
    assert [(run.record_count, type(run.failure), str(run.failure or "")) for run in got] == [
        (count, type(failure), str(failure or "")) for count, failure in sent
    ]


@pytest.mark.parametrize("failure", [AppendRefused("x" * 5_000), AppendUnknown("满" * 5_000)])
def test_a_long_reason_is_cut(failure):
    [run] = RunParser().receive_data(pack_run(Run(1, failure)))
    assert type(run.failure) is type(failure)
    assert len(str(run.failure)) <= 1_000
