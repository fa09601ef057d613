"""The settings that a decision about a case rests on."""

import msgspec


class CaseRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the deciders of cases need to know besides state; the unit is the last word."""

    open_after_ms: int = 600_000  # an issuer that has not answered by then is a case
    second_person_over_minor: int = 100_000  # a case of more than this takes two persons
    memory_ms: int = 7 * 24 * 3_600_000  # how long an ended case, or a command, is remembered
