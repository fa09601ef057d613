from switch.security.api_keys import hash_api_key, make_api_key


def test_a_made_key_is_never_made_again_and_long_enough() -> None:
    first, second = make_api_key(), make_api_key()
    assert first != second
    assert len(first) >= 32


def test_the_digest_is_stable_and_does_not_hold_the_key() -> None:
    digest = hash_api_key("sk_demo")
    assert digest == hash_api_key("sk_demo") != hash_api_key("sk_demo2")
    assert len(bytes.fromhex(digest)) == 32
