"""The settings that decisions about a terminal itself rest on."""

from typing import Final

import msgspec

_MINUTE_MS: Final = 60_000
_DAY_MS: Final = 86_400_000

# handed out and not yet proven; after so many the newest of the wanted scheme is handed out again:
# so nobody's sign-ons push out the set that a terminal was given, or keep it from one
KEY_SETS_OFFERED_COUNT_MAX: Final = 4


class TerminalRules(msgspec.Struct, frozen=True, kw_only=True):
    """What the deciders about terminals need to know; the unit is the last word."""

    sign_on_window_ms: int = _MINUTE_MS  # at most KEY_SETS_OFFERED_COUNT_MAX new key sets within it
    lost_key_ms: int = _DAY_MS  # how long a lost terminal's keys still prove its reversals
    upload_late_ms: int = 30 * _MINUTE_MS  # after an unbalanced close; then a person must look
