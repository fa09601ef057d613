"""What the values of a registry file must look like; the description is what a person is told."""

from typing import Annotated, Final, Literal

from msgspec import Meta

from switch.domain.money import CURRENCY_EXPONENTS


def _text(pattern: str, description: str) -> Meta:
    return Meta(pattern=rf"\A(?:{pattern})\Z", description=description)


Identifier = Annotated[
    str, _text("[a-z0-9][a-z0-9-]{0,31}", "1 to 32 lower-case letters, digits and hyphens")
]
Reference = Annotated[
    str, _text("[a-z0-9-]{0,32}", "the id of another entry: lower-case letters, digits, hyphens")
]
Name = Annotated[str, Meta(min_length=1, max_length=40, description="1 to 40 characters")]
OptionalName = Annotated[str, Meta(max_length=40, description="at most 40 characters")]
InstitutionId = Annotated[str, _text("[0-9]{1,11}", "1 to 11 digits, as in DE 32 acquirer_id")]
MerchantId = Annotated[str, _text("[0-9A-Za-z ./_-]{15}", "15 characters, as in DE 42 merchant_id")]
OptionalMerchantId = Annotated[
    str, _text("([0-9A-Za-z ./_-]{15})?", "15 characters, as in DE 42 merchant_id, or nothing")
]
TerminalId = Annotated[str, _text("[0-9A-Za-z ./_-]{8}", "8 characters, as in DE 41 terminal_id")]
SerialNumber = Annotated[str, _text("[0-9A-Za-z-]{0,40}", "at most 40 letters, digits and hyphens")]
Mcc = Annotated[str, _text("([0-9]{4})?", "four digits, as in DE 18 merchant_type, or nothing")]
Currency = Annotated[
    str,
    _text(
        "|".join(["", *CURRENCY_EXPONENTS]),
        "an ISO 4217 number, as in DE 49 currency: " + ", ".join(CURRENCY_EXPONENTS),
    ),
]
# eight digits in clear say too little to move money with
MaskedAccount = Annotated[
    str,
    _text(
        "(?!.*[0-9]{9})[ -~]{0,64}",
        "a reference or a masked account, at most 8 clear digits in a row",
    ),
]
EntryMode = Annotated[str, _text("[0-9]{2}", "the first two digits of DE 22 pos_entry_mode")]
Batch = Annotated[str, _text("([0-9]{6})?", "six digits, or nothing")]
Bin = Annotated[str, _text("[0-9]{1,8}", "the first 1 to 8 digits of the issuer's cards")]
ClearKey = Annotated[str, _text("([0-9A-Fa-f]{16}){0,3}", "16, 32 or 48 hex digits")]
CheckValue = Annotated[
    str, _text("([0-9A-Fa-f]{6,8})?", "6 to 8 hex digits: the key given, or that is there, has it")
]
ApiKey = Annotated[str, Meta(min_length=16, max_length=128, description="16 to 128 characters")]
KeyHash = Annotated[str, _text("([0-9a-f]{64})?", "64 hex digits, made by `hash_api_key`")]
Limit = Annotated[int, Meta(ge=0, le=999_999_999_999, description="minor units, twelve digits")]
Count = Annotated[int, Meta(ge=0, le=1_000_000, description="a number up to 1,000,000")]
RatePpm = Annotated[int, Meta(ge=0, le=1_000_000, description="parts per million of the amount")]
WindowSeconds = Annotated[int, Meta(ge=0, le=86_400, description="seconds, at most a day")]
Priority = Annotated[int, Meta(ge=0, le=99, description="0 to 99; the lowest is tried first")]
# the dialects that a listener can speak; the codec holds their tables
Profile = Literal["unionpay-pos", "iso1987-ascii", "iso1987-binary"]
MacAlgorithm = Literal["unionpay-ecb", "unionpay-ecb-sm4", "x9.9", "x9.19", "none"]
KeyScheme = Literal["001", "003", "004", "006"]
PinFormat = Literal["iso-0", "iso-2"]
OperatorRole = Literal["view", "resolve", "registry"]

# their values are never shown
KEY_FIELDS: Final = frozenset({"mak", "tmk", "pik", "zpk", "api_key"})
