"""Settings that decisions rest on: cases, terminals, and how long what is remembered."""

from typing import Annotated, Final

from switch.apps.settings_section import Section, meta

_HOUR_MS: Final = 3_600_000
_DAY_MS: Final = 24 * _HOUR_MS


class CaseSettings(Section, frozen=True, kw_only=True):
    """When a person must look, and how many of them."""

    open_after_ms: Annotated[
        int,
        meta(
            "An issuer that has not answered a reversal, an advice or a refund for this long is a"
            " case; it closes by itself when the answer comes.",
            ge=100,
        ),
    ] = 600_000
    second_person_over_minor: Annotated[
        int,
        meta(
            "A case of more than this (minor units of its currency: 1,000.00 yuan) is resolved by"
            " two named operators.",
            ge=0,
        ),
    ] = 100_000


class TerminalSettings(Section, frozen=True, kw_only=True):
    """How terminals sign on and settle."""

    sign_on_window_ms: Annotated[
        int,
        meta("A terminal may sign on four times within this; so long its new keys are kept.", ge=1),
    ] = 60_000
    lost_key_ms: Annotated[
        int,
        meta("A lost terminal's keys still prove its reversals for this long (24 h).", ge=0),
    ] = 24 * _HOUR_MS
    upload_late_ms: Annotated[
        int, meta("A batch that closed unbalanced and is not uploaded by then is a case.", ge=1)
    ] = 1_800_000


class MemorySettings(Section, frozen=True, kw_only=True):
    """How long payments are remembered, and how much of them (docs/rules.md 2)."""

    payment_memory_ms: Annotated[
        int,
        meta(
            "Keys and answers are kept for this long after their batch was closed, or after the"
            " payment where there is no batch: a partner's key is new after it (7 days).",
            ge=60_000,
        ),
    ] = 7 * _DAY_MS
    reversal_answer_ms: Annotated[
        int, meta("The answer to an 0400 is kept for its repeats for this long.", ge=60_000)
    ] = 7 * _DAY_MS
    batch_count_max: Annotated[
        int,
        meta("A batch takes this many payments; then its terminal must settle (77).", ge=1),
    ] = 20_000
    batch_age_max_days: Annotated[
        int,
        meta("A batch may be open for this many days; then its terminal must settle.", ge=1),
    ] = 30
    pre_authorization_days: Annotated[
        int, meta("A hold can be completed or given up for this many days.", ge=1)
    ] = 30
    refund_days: Annotated[
        int,
        meta(
            "A payment can be refunded or adjusted for this many days: read back from the journal"
            " if it is no longer remembered.",
            ge=1,
        ),
    ] = 180
