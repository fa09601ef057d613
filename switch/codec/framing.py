"""Frames on a stream: a length, then so many bytes. Fed bytes, asked for frames; no I/O."""

from typing import Final, Literal, TypeAlias

Prefix: TypeAlias = Literal["binary-2", "ascii-4", "binary-2-zero-2"]

# Above the longest message that the first 64 elements of unionpay-pos can make (a test derives
# it); what is longer is an attack or a wrong port, and is refused before memory is set aside.
FRAME_BYTES_MAX: Final = 8192

# binary-2: two bytes, big-endian. ascii-4: four decimal characters.
# binary-2-zero-2: as binary-2, then two zero bytes (VML of a card scheme's links).
_PREFIX_SIZES: Final[dict[Prefix, int]] = {"binary-2": 2, "ascii-4": 4, "binary-2-zero-2": 4}
_LENGTH_MAX: Final[dict[Prefix, int]] = {
    "binary-2": 65_535,
    "ascii-4": 9_999,
    "binary-2-zero-2": 65_535,
}


class FrameError(Exception):
    """
    The stream cannot be cut into frames any more: close the connection.

    Attributes:
        frames: whole frames that came before the bad length, in the same call.
    """

    def __init__(self, why: str, frames: list[bytes]) -> None:
        super().__init__(why)
        self.frames = frames


class Framer:
    """
    Cuts a stream into frames; a frame of no bytes is a keep-alive and is given as `b""`.

    Holds at most one unfinished frame, so at most `frame_bytes_max` bytes and a length.
    """

    def __init__(self, prefix: Prefix, frame_bytes_max: int = FRAME_BYTES_MAX) -> None:
        """
        Start at the beginning of a stream.

        Raises:
            ValueError: the prefix is not one of those known.
        """
        if prefix not in _PREFIX_SIZES:
            raise ValueError(f"no prefix {prefix!r}; there are {', '.join(_PREFIX_SIZES)}")
        self._prefix = prefix
        self._prefix_size = _PREFIX_SIZES[prefix]
        self._frame_bytes_max = frame_bytes_max
        self._buffer = bytearray()
        self._needed = self._prefix_size  # bytes the buffer must hold before it is looked at
        self._fault = ""

    @property
    def is_inside_frame(self) -> bool:
        """Whether the stream would end in the middle of a frame, if it ended now."""
        return bool(self._buffer)

    def receive_data(self, data: bytes) -> list[bytes]:
        """
        Take what was read; return the frames that it completes.

        Raises:
            FrameError: a length that is none, or above the cap. Every later call raises again.
        """
        if self._fault:
            raise FrameError(self._fault, [])
        if self._buffer:
            self._buffer += data
            if len(self._buffer) < self._needed:
                return []
            data = bytes(self._buffer)
            self._buffer.clear()
        return self._cut_frames(data)

    def _cut_frames(self, data: bytes) -> list[bytes]:
        """Cut from the front; keep the unfinished rest."""
        frames: list[bytes] = []
        size, available, at = self._prefix_size, len(data), 0
        while True:
            start = at + size
            if start > available:
                self._needed = size
                break
            length = self._read_length(data[at:start])
            if length < 0 or length > self._frame_bytes_max:
                why = "not a frame length" if length < 0 else "frame longer than allowed"
                self._fault = why
                raise FrameError(why, frames)
            end = start + length
            if end > available:
                self._needed = size + length
                break
            frames.append(data[start:end])
            at = end
        if at < available:
            self._buffer += data[at:]
        return frames

    def _read_length(self, prefix: bytes) -> int:
        """Read a length; -1 if it is none."""
        if self._prefix == "ascii-4":
            return int(prefix) if prefix.isdigit() else -1
        if self._prefix == "binary-2":
            return (prefix[0] << 8) | prefix[1]
        return (prefix[0] << 8) | prefix[1] if prefix[2:] == b"\0\0" else -1


def frame_bytes(prefix: Prefix, payload: bytes) -> bytes:
    """
    Put the length before a payload.

    Raises:
        ValueError: the payload is longer than the prefix can say.
    """
    length = len(payload)
    if length > _LENGTH_MAX[prefix]:
        raise ValueError(f"{length} bytes are more than prefix {prefix} can announce")
    if prefix == "ascii-4":
        return b"%04d%b" % (length, payload)
    head = length.to_bytes(2, "big")
    return head + payload if prefix == "binary-2" else head + b"\0\0" + payload
