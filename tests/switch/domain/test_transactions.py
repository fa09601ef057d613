import enum

from switch.domain import transactions


def test_every_word_is_said_once_and_written_with_hyphens():
    for kind in vars(transactions).values():
        if isinstance(kind, enum.EnumMeta) and issubclass(kind, enum.Enum) and list(kind):
            values = [member.value for member in kind]
            assert len(set(values)) == len(values)
            assert all(value == value.lower() and "_" not in value for value in values)
