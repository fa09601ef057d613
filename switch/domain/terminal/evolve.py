"""The fold of one terminal: what its events make of its state."""

from msgspec.structs import replace

from switch.domain.terminal.events import (
    BatchClosed,
    TerminalAsked,
    TerminalSignedOff,
    TerminalSignedOn,
)
from switch.domain.terminal.rules import KEY_SETS_OFFERED_COUNT_MAX
from switch.domain.terminal.state import KeySet, TerminalState

StateChange = TerminalSignedOn | TerminalSignedOff | BatchClosed


def evolve(
    state: TerminalState | None, event: StateChange, asked: TerminalAsked | None
) -> TerminalState:
    """Return the terminal after `event`; `asked` is the fact of the same record."""
    if state is None:
        state = TerminalState(
            acquirer=event.acquirer, merchant_id=event.merchant_id, terminal_id=event.terminal_id
        )
    match event:
        case TerminalSignedOn():
            return _sign_on(state, event, asked)
        case TerminalSignedOff():
            return replace(state, is_signed_on=False)
        case BatchClosed():
            return replace(state, batch=event.next_batch or state.batch)


def _sign_on(
    state: TerminalState, event: TerminalSignedOn, asked: TerminalAsked | None
) -> TerminalState:
    at = event.answer.at
    state = replace(state, is_signed_on=True, batch=event.batch)
    if asked is None or asked.offered is None or not event.key_version:
        return state  # it makes no MACs, or was given again what nobody has used
    new = KeySet(version=event.key_version, at=at, keys=asked.offered)
    proven = tuple(one for one in state.key_sets if one.version == state.proven_version)
    offered = tuple(one for one in state.key_sets if one.version > state.proven_version)
    return replace(
        state,
        key_sets=(*proven, *(*offered, new)[-KEY_SETS_OFFERED_COUNT_MAX:]),
        key_version=event.key_version,
        sign_on_times=(*state.sign_on_times, at)[-KEY_SETS_OFFERED_COUNT_MAX:],
    )


def prove_keys(state: TerminalState, version: int) -> TerminalState:
    """Take note of a right MAC under a key set: older sets verify nothing any more."""
    if version <= state.proven_version:
        return state
    key_sets = tuple(one for one in state.key_sets if one.version >= version)
    return replace(state, key_sets=key_sets, proven_version=version)
