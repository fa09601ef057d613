import enum

from switch.domain import transactions
from switch.domain.transactions import TRAITS, Side, TransactionType, WhenUnknown


def test_every_word_is_said_once_and_written_with_hyphens():
    for kind in vars(transactions).values():
        if isinstance(kind, enum.EnumMeta) and issubclass(kind, enum.Enum) and list(kind):
            values = [member.value for member in kind]
            assert len(set(values)) == len(values)
            assert all(value == value.lower() and "_" not in value for value in values)


def test_only_what_takes_money_counts_against_limits_and_never_what_changes_another_payment():
    for kind, traits in TRAITS.items():
        if traits.takes_limits:
            assert not traits.originals, kind
            assert traits.when_unknown is WhenUnknown.REVERSE, kind


def test_what_is_repeated_is_told_once_and_for_all_never_reversed():
    repeated = {kind for kind, one in TRAITS.items() if one.when_unknown is WhenUnknown.REPEAT}
    assert repeated == {TransactionType.REFUND} | {k for k, one in TRAITS.items() if one.is_advice}


def test_what_gives_money_back_has_an_original_of_the_other_side():
    for kind, traits in TRAITS.items():
        if traits.side is Side.CREDIT:
            assert traits.originals, kind
            assert {TRAITS[of].side for of in traits.originals} == {Side.DEBIT}, kind


def test_no_kind_changes_itself():
    assert all(kind not in traits.originals for kind, traits in TRAITS.items())
