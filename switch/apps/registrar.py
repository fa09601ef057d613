"""The registrar's role: the one writer of the registry log, under the claim rules."""

import asyncio
import secrets
from collections.abc import Mapping, Sequence
from typing import ClassVar, Final, NamedTuple

from switch.adapters.clock import read_clock
from switch.adapters.owned_journal import OwnedJournal, claim_log
from switch.adapters.telemetry import Telemetry
from switch.apps.registry_follower import RegistryFollower
from switch.domain.registry.events import RegistryEvent
from switch.eventlog.claimed_writer import AppendFault
from switch.eventlog.claims import RecordFormat
from switch.eventlog.journal import PartitionClaimed
from switch.eventlog.port import (
    AppendRefused,
    AppendUnknown,
    EventLog,
    LogUnavailable,
    PositionOutOfRange,
)
from switch.eventlog.registry_record import (
    RegistryRecord,
    decode_registry_record,
    encode_registry_record,
)
from switch.eventlog.takeover import Takeover
from switch.registrar.document import parse_document
from switch.registrar.registrar import Registrar, find_incomplete, split_load
from switch.security.keys import Keys

CLAIM_ACTOR: Final = "registrar"
FOLD_DEADLINE_S: Final = 10.0  # for the view to reach what we have just appended
_CLAIM_BYTES: Final = 8


class RegistrarUnavailable(Exception):
    """The registry cannot be changed now; the message says why and whether anything was written."""

    retryable: ClassVar[bool] = True


class LoadResult(NamedTuple):
    """What a file changed: so many events, all below this registry position; who lacks what."""

    change_count: int
    position: int
    incomplete: Mapping[str, Sequence[str]]  # merchant id -> fields without which it is not paid


def _make_claim(owner: str, claim_id: str, at: int) -> RegistryRecord:
    claimed = PartitionClaimed(owner=owner, claim_id=claim_id, at=at)
    return RegistryRecord(claim_id=claim_id, at=at, actor=CLAIM_ACTOR, events=(claimed,))


REGISTRY_FORMAT: Final = RecordFormat(encode_registry_record, decode_registry_record, _make_claim)


class RegistrarRole:
    """
    Claims the registry log at the first change, and appends what the registrar decides.

    One change at a time; each is decided on a view that holds everything before it. After a failed
    append the claim is dropped, and the next change begins with a new one.
    """

    def __init__(
        self,
        *,
        owner: str,
        event_log: EventLog,
        follower: RegistryFollower,
        keys: Keys,
        telemetry: Telemetry,
        append_deadline_ms: int,
        clear_keys_allowed: bool,
    ) -> None:
        self._owner = owner
        self._event_log = event_log
        self._follower = follower
        self._append_deadline_ms = append_deadline_ms
        self._registrar = Registrar(
            follower.view, seal_key=keys.seal_key, clear_keys_allowed=clear_keys_allowed
        )
        self._log = telemetry.log
        self._owned: OwnedJournal[RegistryRecord] | None = None
        self._turn = asyncio.Lock()

    async def load(self, content: bytes, actor: str) -> LoadResult:
        """
        Load a registry file (TOML), all of it or nothing.

        A log that fails in the midst of a file that takes several records leaves a part of it, each
        entry whole and usable; loading it again brings the rest.

        Raises:
            RegistryRefused: something in it is wrong; every error is listed.
            RegistrarUnavailable: the log cannot be written.
        """
        # Reading a large file takes its time; payments go on meanwhile.
        document = await asyncio.to_thread(parse_document, content)
        async with self._turn:
            owned = await self._claim()
            # all of it: the load before this one may have given up waiting for that
            await self._catch_up(owned.next_append_offset)
            at = read_clock().wall_ms
            events = self._registrar.load(document, actor, at)
            for part in split_load(events):
                await self._append(owned, actor, at, part)
            await self._catch_up(owned.next_offset)
            self._log.info("registry loaded", actor=actor, change_count=len(events))
            return LoadResult(len(events), self._follower.position, find_incomplete(events))

    def status(self) -> dict[str, object]:
        """Describe this registrar for `/v1/status`; it claims the registry at its first change."""
        owned = self._owned
        return {
            "state": "claimed" if owned is not None and owned.failure is None else "waiting",
            "position": self._follower.position,
        }

    async def stop(self) -> None:
        """Let go of the registry log."""
        owned, self._owned = self._owned, None
        if owned is not None:
            await owned.close()

    async def _claim(self) -> OwnedJournal[RegistryRecord]:
        if self._owned is not None and self._owned.failure is None:
            return self._owned
        await self.stop()
        try:
            partition = await self._event_log.open_partition("registry", 0)
            try:
                self._owned = await claim_log(
                    partition,
                    REGISTRY_FORMAT,
                    Takeover(decode_registry_record, on_record=_ignore_record),
                    owner=self._owner,
                    claim_id=secrets.token_hex(_CLAIM_BYTES),
                    append_deadline_ms=self._append_deadline_ms,
                )
            except BaseException:
                await partition.close()
                raise
        except (LogUnavailable, AppendRefused, AppendUnknown, PositionOutOfRange) as error:
            raise RegistrarUnavailable(f"the registry log cannot be claimed: {error}") from error
        return self._owned

    async def _append(
        self,
        owned: OwnedJournal[RegistryRecord],
        actor: str,
        at: int,
        events: tuple[RegistryEvent, ...],
    ) -> None:
        acked: asyncio.Future[int | AppendFault] = asyncio.get_running_loop().create_future()

        def take(outcome: int | AppendFault) -> None:
            if not acked.done():
                acked.set_result(outcome)

        owned.append(
            RegistryRecord(claim_id=owned.claim_id, at=at, actor=actor, events=events), take
        )
        outcome = await acked
        if isinstance(outcome, Exception):
            raise RegistrarUnavailable(
                f"the registry log failed, load the file again: {outcome}"
            ) from outcome

    async def _catch_up(self, position: int) -> None:
        try:
            await asyncio.wait_for(self._follower.wait_for(position), FOLD_DEADLINE_S)
        except TimeoutError:
            raise RegistrarUnavailable(
                f"the registry view did not reach position {position}: {self._follower.fault}"
            ) from None


def _ignore_record(offset: int, record: RegistryRecord) -> None:
    """Leave folding to the follower: one view a process is enough."""
    del offset, record
