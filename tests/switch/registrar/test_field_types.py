import msgspec
import pytest

from switch.registrar import field_types as types


@pytest.mark.parametrize(
    ("field_type", "value"),
    [
        (types.Identifier, "agent-1"),
        (types.Reference, ""),
        (types.MerchantId, "898110154110001"),
        (types.MerchantId, "SHOP 12        "),
        (types.OptionalMerchantId, ""),
        (types.TerminalId, "58D01115"),
        (types.Mcc, ""),
        (types.Currency, "156"),
        (types.Currency, ""),
        (types.MaskedAccount, "622202******0001"),
        (types.MaskedAccount, "account-ref-12345678"),
        (types.EntryMode, "01"),
        (types.Batch, "000001"),
        (types.Bin, "4"),
        (types.ClearKey, "1C" * 8),
        (types.ClearKey, "1c" * 24),
        (types.KeyHash, "a" * 64),
        (types.Limit, 0),
        (types.Priority, 99),
    ],
)
def test_what_is_right_is_taken(field_type, value):
    assert msgspec.convert(value, field_type) == value


@pytest.mark.parametrize(
    ("field_type", "value"),
    [
        (types.Identifier, ""),
        (types.Identifier, "-a"),
        (types.Identifier, "Upper"),
        (types.Identifier, "a" * 33),
        (types.Identifier, "a\n"),
        (types.Identifier, "a:b"),
        (types.Name, ""),
        (types.InstitutionId, "123456789012"),
        (types.MerchantId, "89811015411000"),
        (types.MerchantId, "898110154110001\n"),
        (types.MerchantId, "8981101|4110001"),
        (types.TerminalId, "000000:1"),
        (types.Mcc, "541"),
        (types.Currency, "999"),
        (types.MaskedAccount, "6222020000000000"),
        (types.MaskedAccount, "ref 123456789"),
        (types.EntryMode, "012"),
        (types.Batch, "1"),
        (types.Bin, ""),
        (types.Bin, "620000000"),
        (types.ClearKey, "1C" * 7),
        (types.ClearKey, "zz" * 8),
        (types.ApiKey, "short"),
        (types.KeyHash, "A" * 64),
        (types.Limit, -1),
        (types.Limit, 10**12),
        (types.Limit, True),
        (types.RatePpm, 1_000_001),
        (types.Profile, "iso2003"),
        (types.MacAlgorithm, "x9.9"),
    ],
)
def test_what_is_wrong_is_refused(field_type, value):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, field_type)
