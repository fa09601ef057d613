import pytest
from hypothesis import given
from hypothesis import strategies as st

from switch.eventlog.claims import JOURNAL_FORMAT
from switch.eventlog.journal import (
    JournalRecord,
    PartitionReleased,
    PositionNoted,
    decode_record,
    encode_record,
)
from switch.eventlog.journal_place import JournalPlace
from switch.eventlog.journal_reader import JournalReader
from switch.eventlog.port import AppendUnknown, StoredRecord
from switch.eventlog.takeover import BackOff, ClaimPace, ClaimReason, ClaimRule, Takeover

DEADLINE_MS, ABSENCE_MS = 5_000, 500
PACE = ClaimPace(waits_for_members=True, absence_ms=ABSENCE_MS, deadline_ms=DEADLINE_MS)


def claim(claim_id, owner="owner"):
    return encode_record(JOURNAL_FORMAT.make_claim(owner, claim_id, 7))


def record(claim_id, event):
    return encode_record(
        JournalRecord(claim_id=claim_id, at=1, watermark=0, registry_position=0, events=(event,))
    )


def note(claim_id):
    return record(claim_id, PositionNoted(at=1))


def release(claim_id, owner="owner"):
    return record(claim_id, PartitionReleased(owner=owner, at=1))


def store(*values, start=0):
    return [StoredRecord(offset, value) for offset, value in enumerate(values, start)]


class Stage:
    """A take-over that remembers what it was told of."""

    def __init__(self, *values, place=None):
        self.told = []
        options = {"place": place} if place else {}
        self.takeover = Takeover(
            decode_record, on_record=lambda offset, _: self.told.append(offset), **options
        )
        self.takeover.feed(store(*values, start=self.takeover.next_offset))

    def rule(self, pace=PACE, since=0):
        self.rule = ClaimRule(owner="me", pace=pace, since_boot_ms=since)
        return self

    def see(self, boot_ms, *members):
        self.rule.note_members(self.takeover, frozenset(members), boot_ms)

    def reason(self, boot_ms=1):
        return self.rule.find_reason(self.takeover, boot_ms)


# -- folding


def test_before_the_own_claim_everything_valid_is_folded_as_it_comes():
    stage = Stage(claim("a"), note("a"), note("stray"))
    found = stage.takeover
    assert (found.owner, found.claim_id, found.epoch, found.claimed_at) == ("owner", "a", 0, 7)
    assert (stage.told, found.void_count, found.is_done) == ([0, 1], 1, False)


def test_the_fold_ends_with_the_own_claim_and_passes_over_what_is_void():
    stage = Stage(claim("a"), note("a"))
    stage.takeover.begin_claim("own", 3)
    assert not stage.takeover.is_done
    stage.takeover.feed(store(note("stray"), claim("own"), note("own"), start=2))
    assert stage.takeover.is_done
    assert (stage.told, stage.takeover.next_offset) == ([0, 1, 3], 4)
    stage.takeover.check_claim()
    assert stage.takeover.claims.list() == ((0, "a"), (3, "own"))


@pytest.mark.parametrize(
    "values",
    [
        store(claim("a"), claim("other")),
        store(claim("a"), note("a")),
        [StoredRecord(0, claim("a")), StoredRecord(5, note("a"))],
    ],
    ids=["another claim", "no claim", "a gap"],
)
def test_a_claim_that_is_not_where_it_was_acked_is_unknown(values):
    stage = Stage()
    stage.takeover.begin_claim("own", 1)
    stage.takeover.feed(values)
    assert stage.takeover.is_done
    with pytest.raises(AppendUnknown, match="not there"):
        stage.takeover.check_claim()


def test_a_foreign_claim_ends_what_was_released_before_it():
    assert Stage(claim("a"), release("a")).takeover.is_released
    assert not Stage(claim("a"), release("a"), claim("b")).takeover.is_released


def test_a_void_release_releases_nothing():
    assert not Stage(claim("a"), claim("b"), release("a")).takeover.is_released


def test_who_begins_in_the_middle_goes_on_by_the_same_claims():
    place = JournalPlace(next_offset=4, claim_id="b", epoch=2, void_count=1, claims=((0, "a"),))
    stage = Stage(note("a"), note("b"), place=place)
    assert (stage.told, stage.takeover.void_count) == ([5], 2)
    assert stage.takeover.lacks_owner
    stage.takeover.note_owner(claim("other", "someone"))
    assert stage.takeover.lacks_owner
    stage.takeover.note_owner(claim("b", "bertha"))
    assert (stage.takeover.owner, stage.takeover.lacks_owner) == ("bertha", False)


journals = st.lists(
    st.tuples(st.sampled_from(["claim", "note", "release"]), st.sampled_from("abc")), max_size=20
)


@given(journals, st.integers(0, 20))
def test_the_place_taken_anywhere_leads_to_the_same_end(entries, cut):
    make = {"claim": claim, "note": note, "release": release}
    values = [make[kind](claim_id) for kind, claim_id in entries]
    whole, first = Stage(*values), Stage(*values[:cut])
    rest = Stage(*values[cut:], place=first.takeover.place())
    assert rest.takeover.place() == whole.takeover.place()
    assert first.told + rest.told == whole.told


@given(journals)
def test_it_folds_what_every_other_reader_finds_valid(entries):
    make = {"claim": claim, "note": note, "release": release}
    values = store(*(make[kind](claim_id) for kind, claim_id in entries))
    reader = JournalReader()
    valid = [offset for offset, value in values if reader.feed(offset, value) is not None]
    stage = Stage()
    stage.takeover.feed(values)
    assert (stage.told, stage.takeover.void_count) == (valid, reader.void_count)


# -- when one may claim


def test_what_nobody_has_may_be_claimed_at_once():
    assert Stage().rule().reason() is ClaimReason.NEVER_CLAIMED
    assert Stage(claim("a"), release("a")).rule().reason() is ClaimReason.RELEASED
    assert Stage(claim("a", "me")).rule().reason() is ClaimReason.OWN


def test_an_owner_that_is_a_member_has_until_the_deadline():
    stage = Stage(claim("a")).rule(since=100)
    stage.see(99 + DEADLINE_MS, "me", "owner")
    assert stage.reason(99 + DEADLINE_MS) is None
    assert stage.reason(100 + DEADLINE_MS) is ClaimReason.OVERDUE


def test_an_owner_must_be_missing_for_a_while():
    stage = Stage(claim("a")).rule()
    stage.see(1_000, "me")
    assert stage.reason(1_000 + ABSENCE_MS) is None  # seen once, and never again
    stage.see(999 + ABSENCE_MS, "me")
    assert stage.reason(999 + ABSENCE_MS) is None
    stage.see(1_000 + ABSENCE_MS, "me")
    assert stage.reason(1_000 + ABSENCE_MS) is ClaimReason.OWNER_GONE


@pytest.mark.parametrize("between", [("me", "owner"), ("owner",), ("stranger",)])
def test_an_owner_that_comes_back_is_there(between):
    stage = Stage(claim("a")).rule()
    stage.see(0, "me")
    stage.see(ABSENCE_MS, *between)
    stage.see(ABSENCE_MS + 1, "me")
    assert stage.reason(ABSENCE_MS + 1) is None


def test_while_the_members_are_not_told_nobody_is_gone():
    stage = Stage(claim("a")).rule()
    stage.see(0, "me")
    stage.rule.note_members(stage.takeover, None, ABSENCE_MS)
    assert stage.reason(ABSENCE_MS) is None
    assert stage.reason(ABSENCE_MS + DEADLINE_MS - 1) is None
    assert stage.reason(ABSENCE_MS + DEADLINE_MS) is ClaimReason.OVERDUE


def test_who_is_no_member_takes_nothing_from_an_owner_that_works():
    stage = Stage(claim("a")).rule()
    for count in range(1, 4):  # a record every now and then, within each deadline
        assert stage.reason(count * (DEADLINE_MS - 1)) is None
        stage.takeover.feed(store(note("a"), start=count))
    stood_still_since = 4 * (DEADLINE_MS - 1)
    assert stage.reason(stood_still_since) is None
    stage.takeover.feed(store(note("stray"), start=4))  # of a zombie
    assert stage.reason(stood_still_since + DEADLINE_MS - 1) is None
    assert stage.reason(stood_still_since + DEADLINE_MS) is ClaimReason.OVERDUE


@pytest.mark.parametrize("members", [None, frozenset({"owner"})])
def test_who_folded_past_the_deadline_has_not_seen_the_owner_stand_still(members):
    stage = Stage(claim("a")).rule(since=0)
    folded_at = 10 * DEADLINE_MS  # the owner worked all the while, or so one must believe
    assert stage.reason(folded_at) is None
    stage.rule.note_members(stage.takeover, members, folded_at + 1)
    assert stage.reason(folded_at + DEADLINE_MS - 1) is None
    assert stage.reason(folded_at + DEADLINE_MS) is ClaimReason.OVERDUE


def test_a_member_that_folded_past_the_deadline_waits_no_longer():
    stage = Stage(claim("a")).rule(since=0)
    assert stage.reason(10 * DEADLINE_MS) is None
    stage.see(10 * DEADLINE_MS, "me", "owner")
    assert stage.reason(10 * DEADLINE_MS + 1) is ClaimReason.OVERDUE


@pytest.mark.parametrize("members", [None, frozenset({"owner"}), frozenset({"owner", "me"})])
def test_who_is_a_member_again_has_waited_long_enough(members):
    stage = Stage(claim("a")).rule()
    assert stage.reason(0) is None
    stage.takeover.feed(store(note("a"), start=1))
    stage.rule.note_members(stage.takeover, members, DEADLINE_MS)
    is_confirmed = members is not None and "me" in members
    assert stage.reason(DEADLINE_MS) is (ClaimReason.OVERDUE if is_confirmed else None)


def test_what_was_seen_before_the_proposal_is_no_absence():
    stage = Stage(claim("a")).rule(since=1_000)
    stage.see(999, "me")
    stage.see(1_000, "me")
    stage.see(999 + ABSENCE_MS, "me")
    assert stage.reason(999 + ABSENCE_MS) is None
    stage.see(1_000 + ABSENCE_MS, "me")
    assert stage.reason(1_000 + ABSENCE_MS) is ClaimReason.OWNER_GONE


def test_what_was_seen_while_the_log_was_folded_is_old_news():
    stage = Stage(claim("a")).rule(since=0)
    folded_at = 10 * DEADLINE_MS
    assert stage.reason(folded_at) is None
    stage.see(folded_at - 1, "me")  # for another partition
    assert stage.reason(folded_at + 1) is None, "who knows whether one is a member still"
    stage.rule.note_members(stage.takeover, None, folded_at + 1)
    stage.see(folded_at - 1, "me")
    assert stage.reason(folded_at + ABSENCE_MS) is None
    stage.see(folded_at + 2, "me")
    assert stage.reason(folded_at + 2) is ClaimReason.OVERDUE


def test_an_owner_is_missing_only_from_the_first_look_on():
    stage = Stage(claim("a")).rule(since=0)
    folded_at = DEADLINE_MS - 2 * ABSENCE_MS
    assert stage.reason(folded_at) is None
    for at in (folded_at - ABSENCE_MS, folded_at, folded_at + ABSENCE_MS - 1):
        stage.see(at, "me")
    assert stage.reason(folded_at + ABSENCE_MS - 1) is None
    stage.see(folded_at + ABSENCE_MS, "me")
    assert stage.reason(folded_at + ABSENCE_MS) is ClaimReason.OWNER_GONE


def test_the_absence_of_one_owner_is_not_that_of_the_next():
    stage = Stage(claim("a")).rule()
    stage.see(0, "me")
    stage.takeover.feed(store(claim("b", "next"), start=1))
    stage.see(ABSENCE_MS, "me")
    assert stage.reason(ABSENCE_MS) is None
    stage.see(2 * ABSENCE_MS, "me")
    assert stage.reason(2 * ABSENCE_MS) is ClaimReason.OWNER_GONE


def test_ordinals_wait_for_nobody():
    pace = PACE._replace(waits_for_members=False)
    assert Stage(claim("a")).rule(pace).reason() is ClaimReason.NOBODY_WAITED_FOR


# -- fights


def test_the_delay_grows_from_loss_to_loss_up_to_its_bound():
    back_off = BackOff(first_ms=100, max_ms=1_000, growth=2, settled_ms=5_000)
    assert [back_off.take_loss(0, 0.5) for _ in range(6)] == [100, 200, 400, 800, 1_000, 1_000]


def test_who_had_it_for_long_begins_anew():
    back_off = BackOff(first_ms=100, max_ms=1_000, growth=2, settled_ms=5_000)
    for _ in range(5):
        back_off.take_loss(4_999, 0.5)
    assert back_off.take_loss(5_000, 0.5) == 100


def test_the_delay_is_jittered():
    back_off = BackOff(first_ms=100, max_ms=100, growth=2, settled_ms=5_000)
    assert [back_off.take_loss(0, luck) for luck in (0, 0.999)] == [50, 149]


@given(st.lists(st.floats(0, 1), min_size=60, max_size=60))
def test_of_two_that_fight_one_soon_has_nearly_all_of_the_time(lucks):
    """Each claims after its delay and takes it from the other, who notices at once."""
    luck = iter(lucks)
    rivals = [BackOff(first_ms=500, max_ms=30_000, growth=3, settled_ms=5_000) for _ in range(2)]
    due, owner, since, now = [0, 50], None, 0, 0
    served = [0, 0]
    while now < 120_000:
        now = min(one for one in due if one is not None)
        taker = due.index(now)
        due[taker] = None
        if owner is not None:
            if now > 60_000:
                served[owner] += now - max(since, 60_000)
            due[owner] = now + rivals[owner].take_loss(now - since, next(luck, 0.5))
        owner, since = taker, now
    assert max(served) >= 0.8 * sum(served)
