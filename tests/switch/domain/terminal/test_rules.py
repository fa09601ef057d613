from switch.domain.terminal.rules import KEY_SETS_OFFERED_COUNT_MAX, TerminalRules


def test_a_lost_answer_to_a_sign_on_may_be_asked_for_again():
    assert KEY_SETS_OFFERED_COUNT_MAX > 1
    assert TerminalRules().sign_on_window_ms <= 60_000


def test_a_late_upload_is_told_within_the_day():
    assert 0 < TerminalRules().upload_late_ms < TerminalRules().lost_key_ms
