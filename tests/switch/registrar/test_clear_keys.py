import pytest

from switch.registrar.clear_keys import DEMO_ONLY, ClearKeys, StatedKey
from switch.registrar.document import Place
from switch.security.api_keys import hash_api_key
from switch.security.keys import Keys
from switch.security.keystore import MemoryKeyStore

MAK = "1C1C1C1C1C1C1C1C"
PLACE = Place("terminals", 0, "a:1")
OWNER = "mak:a:1"


@pytest.fixture
def problems():
    return []


@pytest.fixture
def clear_keys(problems):
    keys = Keys(MemoryKeyStore(), minute_key_lifetime_ms=1_000)
    return ClearKeys(keys.seal_key, problems, are_allowed=True)


def stated(clear="", kcv="", mac_algorithm=""):
    return StatedKey("mak", clear, kcv, "des", OWNER, mac_algorithm)


def test_nothing_said_keeps_what_is_there(clear_keys, problems):
    assert clear_keys.take(stated(), None, PLACE) is None
    known = clear_keys.take(stated(MAK), None, PLACE)
    assert clear_keys.take(stated(), known, PLACE) is known
    assert problems == []


def test_the_same_key_again_is_not_sealed_again(clear_keys):
    known = clear_keys.take(stated(MAK), None, PLACE)
    assert clear_keys.take(stated(MAK.lower()), known, PLACE) is known


def test_another_key_takes_its_place(clear_keys):
    known = clear_keys.take(stated(MAK), None, PLACE)
    assert clear_keys.take(stated("0123456789ABCDEF"), known, PLACE).kcv == "D5D44FF7"


@pytest.mark.parametrize("kcv", ["77800CBA", "77800c", "77800CB"])
def test_a_check_value_may_be_cut_short(clear_keys, problems, kcv):
    assert clear_keys.take(stated(MAK, kcv), None, PLACE) is not None
    assert problems == []


def test_a_wrong_check_value_keeps_what_is_there(clear_keys, problems):
    known = clear_keys.take(stated(MAK), None, PLACE)
    assert clear_keys.take(stated("0123456789ABCDEF", "77800CBA"), known, PLACE) is known
    [problem] = problems
    assert problem.path == "terminals[0] a:1: mak_kcv"
    assert problem.wrong == "the key has the check value D5D44FF7"


def test_a_mac_key_must_serve_its_algorithm(clear_keys, problems):
    assert clear_keys.take(stated(MAK, mac_algorithm="x9.19"), None, PLACE) is None
    [problem] = problems
    assert problem.path.endswith(": mak")
    assert "16 bytes" in problem.wrong
    assert MAK not in str(problem)


def test_outside_a_demo_no_key_is_taken(problems):
    clear_keys = ClearKeys(lambda *_arguments, **_options: 1 / 0, problems, are_allowed=False)
    assert clear_keys.take(stated(MAK), None, PLACE) is None
    assert clear_keys.digest("", "an-api-key-of-a-demo", PLACE) == hash_api_key(
        "an-api-key-of-a-demo"
    )
    assert [problem.wrong for problem in problems] == [DEMO_ONLY, DEMO_ONLY]
    assert MAK not in str(problems)


def test_a_digest_is_taken_as_it_is(clear_keys, problems):
    assert clear_keys.digest("a" * 64, None, PLACE) == "a" * 64
    assert problems == []


def test_a_stated_key_does_not_show_itself():
    assert MAK not in f"{stated(MAK)!r} {stated(MAK)}"
