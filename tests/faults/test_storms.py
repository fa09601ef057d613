"""The same key again and again, at once, over several lines: one debit, one first result."""

import threading

import pytest

from loadtest.frames import read_answer
from loadtest.world import make_terminals
from tests.faults.stand import CALM_SWITCH_TIMES, Stand
from tests.faults.till import UNIONPAY, Till

pytestmark = pytest.mark.process

COPIES = 10
STANS = range(1, 31)
LINES = 4
QUIET_S = 8.0  # after so much silence no answer comes any more


def in_parallel(jobs):
    threads = [threading.Thread(target=job) for job in jobs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def read_all(till, count):
    """Read `count` answers, fewer if no more come."""
    heard = []
    while len(heard) < count and (frame := till.read_frame()):
        heard.append(read_answer(UNIONPAY, frame))
    return heard


@pytest.fixture(scope="module")
def stand(tmp_path_factory):
    made = Stand(tmp_path_factory.mktemp("stand"), CALM_SWITCH_TIMES)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def lines(stand):
    stand.load_terminals(2)
    made = []

    def make(number):
        spec = make_terminals(2)[number]
        for _ in range(LINES):
            made.append(Till(stand.address("unionpay-pos"), spec))
            made[-1].connect()
        return made

    yield make
    for till in made:
        till.hang_up()


def test_every_sale_ten_times_over_four_lines_is_debited_once(stand, lines):
    tills, heard = lines(0), []

    def send_all(till):
        for stan in STANS:
            till.send(till.sale(5000 + stan * 100, stan) * COPIES)
        # a copy that joins a first over another line gets that answer or silence, never 09
        till.socket.settimeout(QUIET_S)
        heard.extend(read_all(till, COPIES * len(STANS)))

    in_parallel([lambda till=till: send_all(till) for till in tills])
    codes = {answer.response_code for answer in heard}
    assert codes <= {"00", "94"}, codes  # 94: its own later trace number was decided before
    for stan in STANS:
        answers = {a for a in heard if int(a.stan) == stan and a.response_code == "00"}
        assert len(answers) == 1, f"trace number {stan} was told {answers}"
    amounts = [line.amount_minor for line in stand.debits()]
    assert sorted(amounts) == [5000 + stan * 100 for stan in STANS]


def test_two_amounts_for_one_key_at_once_one_runs_and_the_other_is_refused(stand, lines):
    tills, heard = lines(1), {}
    before = len(stand.debits())

    def send_all(number, till):
        amounts = dict.fromkeys(STANS, 1000 * (number + 1) + 100_000)
        till.send(b"".join(till.sale(amounts[stan], stan) for stan in STANS))
        heard[number] = {int(answer.stan): answer for answer in read_all(till, len(STANS))}

    in_parallel([lambda job=job: send_all(*job) for job in enumerate(tills)])
    for stan in STANS:
        codes = [heard[number][stan].response_code for number in range(LINES)]
        assert sorted(codes) in (["00", "94", "94", "94"], ["94"] * LINES), codes
    debits = stand.debits()[before:]
    assert len({line.rrn for line in debits}) == len(debits) <= len(STANS)
    approved = sum(a.response_code == "00" for told in heard.values() for a in told.values())
    assert approved == len(debits)


def test_one_key_over_http_many_times_at_once_is_one_debit(stand):
    before, heard = len(stand.debits()), []
    in_parallel([lambda: heard.append(stand.pay_json("storm", 7700))] * 24)
    statuses = {status for status, _ in heard}
    assert statuses <= {201, 409}, statuses
    assert 201 in statuses
    assert len(stand.debits()) == before + 1
    status, told = stand.pay_json("storm", 7700)
    assert (status, told["status"]) == (201, "approved")
    assert stand.pay_json("storm", 7800)[0] == 422
    assert len(stand.debits()) == before + 1


def test_the_books_agree_after_all_storms(stand):
    stand.check(pans=[spec.pan for spec in make_terminals(2)])
