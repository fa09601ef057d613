"""
The state of a partition as bytes, and back: written and read frame by frame.

A snapshot is a cache of a journal (docs/design.md 3). It is used only where it was made for this
partition by this very code under these rules, and is whole; else it is as good as none.
"""

import hashlib
import struct
from collections.abc import Iterator
from types import GenericAlias
from typing import Any, ClassVar, Final, NamedTuple

import cramjam
import msgspec

from switch.domain.payment.rules import DecisionRules
from switch.eventlog.journal import JournalRecord
from switch.eventlog.journal_place import JournalPlace
from switch.handlers.book import PartitionBook
from switch.handlers.snapshot_parts import PARTS, check_known, slice_rows

FORMAT: Final = "payment-switch snapshot 2"
FRAME_BYTES_MAX: Final = 64 * 1_048_576  # a terminal with a million trace numbers stays below
_LENGTH: Final = struct.Struct(">I")
_PLAIN_LENGTH: Final = struct.Struct("<I")  # an LZ4 block begins with it
_HASH_BYTES: Final = hashlib.sha256().digest_size

_encoder = msgspec.msgpack.Encoder()


class SnapshotUnusable(Exception):
    """It is torn, or of another partition, code or rules; the message says which. Read on."""

    retryable: ClassVar[bool] = False


class SnapshotOrigin(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a snapshot was made for and by; only where all of it is the same is it any use.

    `code_digest` is one over the sources that fold, `rules_digest` one over the decision rules.
    """

    partition: int
    partition_count: int
    code_digest: str
    rules_digest: str
    format: str = FORMAT


class SnapshotHeader(msgspec.Struct, frozen=True, kw_only=True):
    """The first frame: origin, and how far the journal was read."""

    origin: SnapshotOrigin
    place: JournalPlace


class Snapshot(NamedTuple):
    """State, and the place in the journal where reading goes on."""

    place: JournalPlace
    book: PartitionBook


def make_origin(
    *, partition: int, partition_count: int, code_digest: str, rules: DecisionRules
) -> SnapshotOrigin:
    """Say what snapshots of a partition must be like here and now."""
    return SnapshotOrigin(
        partition=partition,
        partition_count=partition_count,
        code_digest=code_digest,
        rules_digest=hashlib.sha256(_encoder.encode(rules)).hexdigest(),
    )


def encode_snapshot(
    book: PartitionBook, place: JournalPlace, origin: SnapshotOrigin
) -> Iterator[bytes]:
    """
    Write a snapshot, frame by frame; `book` must hold all before `place`, and not change meanwhile.

    A frame is its length in four bytes and its content: the first holds the header, the last (of
    length 0, followed by the SHA-256 of all before it) ends it. Those between are the number of a
    part in one byte and rows as msgpack in an LZ4 block, which begins with their length.

    Raises:
        AssertionError: the book has grown something that snapshots do not know.
    """
    check_known(book)
    digest = hashlib.sha256()
    header = _encoder.encode(SnapshotHeader(origin=origin, place=place))
    for frame in _list_frames(book, header):
        digest.update(frame)
        yield frame
    end = _LENGTH.pack(0)
    digest.update(end)
    yield end + digest.digest()


def _list_frames(book: PartitionBook, header: bytes) -> Iterator[bytes]:
    yield _LENGTH.pack(len(header)) + header
    for number, part in enumerate(PARTS):
        for rows in slice_rows(part, book):
            content = bytes(cramjam.lz4.compress_block(_encoder.encode(rows)))
            yield _LENGTH.pack(1 + len(content)) + bytes((number,)) + content


def counts(taken: JournalPlace, now: JournalPlace) -> bool:
    """
    Say whether a snapshot taken at one place counts, now that all before it was acknowledged.

    It holds records that were on their way; they lie where it says only if all were written under
    the claim that was in force, and no stray has come between them.
    """
    return (now.claim_id, now.epoch, now.void_count) == (
        taken.claim_id,
        taken.epoch,
        taken.void_count,
    )


def check_last_record(place: JournalPlace, last: JournalRecord | None) -> None:
    """
    Make sure that a snapshot is one of this journal, and that the journal still holds all of it.

    `last` is the journal's record right before `place`. It was written under the claim that the
    place names, and claim ids never come twice: another journal, or one that was restored without
    its end, has another there, or none.

    Raises:
        SnapshotUnusable: it is not.
    """
    if last is None:
        raise SnapshotUnusable("this journal does not go as far")
    if last.claim_id != place.claim_id:
        raise SnapshotUnusable("it is of another journal")


class SnapshotDecoder:
    """
    Is offered a snapshot piece by piece, and restores the book step by step.

    A step takes some milliseconds, so that whoever has a loop can let others have their turn; what
    comes out of `finish` may be used, anything before may not.
    """

    def __init__(self, origin: SnapshotOrigin, rules: DecisionRules) -> None:
        """Take only a snapshot of this origin; `rules` are those that it names."""
        self._origin = origin
        self._book = PartitionBook(origin.partition, origin.partition_count, rules)
        self._buffer = bytearray()
        self._digest = hashlib.sha256()
        self._place: JournalPlace | None = None
        self._part_number = 0
        self._is_whole = False

    def feed(self, data: bytes) -> None:
        """
        Take the next piece, of whatever length, in one go.

        Raises:
            SnapshotUnusable: it is no snapshot, or none of any use here.
        """
        self.offer(data)
        while self.step():
            pass

    def offer(self, data: bytes) -> None:
        """Keep the next piece, of whatever length, for the steps that follow."""
        self._buffer += data

    def step(self) -> bool:
        """
        Restore what the next frame holds; False if there is no whole one.

        Raises:
            SnapshotUnusable: it is no snapshot, or none of any use here.
        """
        frame = self._next_frame()
        if frame is None:
            return False
        try:
            self._take(frame)
        except (msgspec.MsgspecError, cramjam.DecompressionError, KeyError, ValueError) as error:
            raise SnapshotUnusable(f"its content is torn ({type(error).__name__})") from None
        except AssertionError as error:
            raise SnapshotUnusable(f"its parts do not fit together: {error}") from None
        return True

    def finish(self) -> Snapshot:
        """
        Return what was restored.

        Raises:
            SnapshotUnusable: the end is missing.
        """
        if self._place is None or not self._is_whole:
            raise SnapshotUnusable("its end is missing")
        return Snapshot(self._place, self._book)

    def _next_frame(self) -> bytes | None:
        """Cut the next whole frame off, the end with its hash included."""
        buffer = self._buffer
        if self._is_whole:
            if buffer:
                raise SnapshotUnusable("something follows its end")
            return None
        if len(buffer) < _LENGTH.size:
            return None
        (length,) = _LENGTH.unpack_from(buffer)
        if length > FRAME_BYTES_MAX:
            raise SnapshotUnusable("it is no snapshot")
        size = _LENGTH.size + (length or _HASH_BYTES)
        if len(buffer) < size:
            return None
        frame = bytes(memoryview(buffer)[:size])
        del buffer[:size]
        return frame

    def _take(self, frame: bytes) -> None:
        self._digest.update(frame[: _LENGTH.size])
        content = frame[_LENGTH.size :]
        if frame[: _LENGTH.size] == _LENGTH.pack(0):
            if content != self._digest.digest():
                raise SnapshotUnusable("its hash is wrong")
            self._is_whole = True
            return
        self._digest.update(content)
        if self._place is None:
            self._place = self._read_header(content)
        else:
            self._put(content[0], content)

    def _read_header(self, content: bytes) -> JournalPlace:
        try:
            header = msgspec.msgpack.decode(content, type=SnapshotHeader)
        except msgspec.MsgspecError:
            raise SnapshotUnusable("it is no snapshot, or of another format") from None
        if header.origin != self._origin:
            raise SnapshotUnusable(_explain(header.origin, self._origin))
        return header.place

    def _put(self, number: int, content: bytes) -> None:
        if not self._part_number <= number < len(PARTS):
            raise SnapshotUnusable("its parts are not in their order")
        self._part_number = number
        if len(content) <= _PLAIN_LENGTH.size:
            raise SnapshotUnusable("its content is torn")
        if _PLAIN_LENGTH.unpack_from(content, 1)[0] > FRAME_BYTES_MAX:
            raise SnapshotUnusable("it is no snapshot")
        plain = cramjam.lz4.decompress_block(memoryview(content)[1:])
        PARTS[number].put_rows(self._book, _DECODERS[number].decode(plain))


def _explain(found: SnapshotOrigin, wanted: SnapshotOrigin) -> str:
    """Name the first thing that is another."""
    words = {
        "format": "format",
        "partition": "partition",
        "partition_count": "number of partitions",
        "code_digest": "version of this program",
        "rules_digest": "set of decision rules",
    }
    for name, word in words.items():
        if getattr(found, name) != getattr(wanted, name):
            return f"it is of another {word}"
    return "it is of another origin"


_DECODERS: Final[tuple[msgspec.msgpack.Decoder[list[Any]], ...]] = tuple(
    msgspec.msgpack.Decoder(GenericAlias(list, (part.row_type,))) for part in PARTS
)
