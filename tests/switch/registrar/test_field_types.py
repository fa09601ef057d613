from typing import get_args

import msgspec
import pytest

from switch.domain.registry.entities import (
    KEY_SCHEMES,
    MAC_ALGORITHMS,
    NO_MAC,
    OPERATOR_ROLES,
    PIN_FORMATS,
)
from switch.registrar import field_types as types
from switch.security.mac import ALGORITHMS


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
        (types.MacAlgorithm, "x9.9"),
        (types.CheckValue, ""),
        (types.CheckValue, "77800c"),
        (types.WindowSeconds, 86_400),
    ],
)
def test_what_is_right_is_taken(field_type, value):
    assert msgspec.convert(value, field_type) == value


@pytest.mark.parametrize(
    ("field_type", "choices"),
    [
        (types.MacAlgorithm, MAC_ALGORITHMS),
        (types.KeyScheme, KEY_SCHEMES),
        (types.PinFormat, PIN_FORMATS),
        (types.OperatorRole, OPERATOR_ROLES),
    ],
)
def test_a_file_may_say_what_the_registry_knows(field_type, choices):
    assert get_args(field_type) == choices


def test_the_registry_knows_the_algorithms_that_there_are():
    assert set(MAC_ALGORITHMS) == {*ALGORITHMS, NO_MAC}


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
        (types.MacAlgorithm, "x9.17"),
        (types.KeyScheme, "002"),
        (types.PinFormat, "iso-1"),
        (types.OperatorRole, "root"),
        (types.CheckValue, "77800"),
        (types.CheckValue, "77800CBAFF"),
        (types.WindowSeconds, 86_401),
    ],
)
def test_what_is_wrong_is_refused(field_type, value):
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(value, field_type)
