"""What decisions rest on is set in one place and reaches the deciders."""

from switch.apps.decision_settings import CaseSettings, MemorySettings, TerminalSettings
from switch.apps.instance import make_partition_settings
from switch.apps.settings import Settings
from switch.domain.payment.rules import DecisionRules


def test_the_defaults_are_those_of_the_deciders():
    assert make_partition_settings(Settings(), 4).rules == DecisionRules()


def test_every_setting_reaches_the_rules():
    settings = Settings(
        cases=CaseSettings(open_after_ms=101, second_person_over_minor=102),
        terminals=TerminalSettings(sign_on_window_ms=103, lost_key_ms=104, upload_late_ms=105),
        memory=MemorySettings(
            payment_memory_ms=106_000,
            reversal_answer_ms=107_000,
            batch_count_max=108,
            batch_age_max_days=109,
            pre_authorization_days=110,
            refund_days=111,
        ),
    )
    rules = make_partition_settings(settings, 4).rules
    assert (rules.cases.open_after_ms, rules.cases.second_person_over_minor) == (101, 102)
    terminals = rules.terminals
    assert (terminals.sign_on_window_ms, terminals.lost_key_ms) == (103, 104)
    assert terminals.upload_late_ms == 105
    assert (rules.payment_memory_ms, rules.reversal_answer_ms) == (106_000, 107_000)
    assert (rules.batch_count_max, rules.batch_age_max_days) == (108, 109)
    assert (rules.pre_authorization_days, rules.refund_days) == (110, 111)
