"""The content codings of ClickHouse's HTTP interface, both ways: gzip, deflate (zlib), zstd, lz4 (frame format)."""

import zlib
from collections.abc import Callable
from typing import Protocol

import lz4.frame
import zstandard

from hub.clickhouse_embedded.errors import ClickHouseError

# In order of preference where the client accepts several: cheapest on the processor first.
CODINGS = ("lz4", "zstd", "gzip", "deflate")

_GZIP = 31  # zlib's window size plus 16: a gzip header and trailer
# Bytes of compressed input at a time: small, so that a bomb is noticed long before it fills the memory.
_STEP = 4096


class Encoder(Protocol):
    """Compress a stream of chunks; every chunk can be decoded as soon as it was sent."""

    def encode(self, chunk: bytes) -> bytes:
        """Return the compressed bytes of one chunk, flushed."""

    def finish(self) -> bytes:
        """Return the end of the stream."""


class _Zlib:
    def __init__(self, bits: int) -> None:
        self._compress = zlib.compressobj(level=3, wbits=bits)

    def encode(self, chunk: bytes) -> bytes:
        return self._compress.compress(chunk) + self._compress.flush(zlib.Z_SYNC_FLUSH)

    def finish(self) -> bytes:
        return self._compress.flush()


class _Zstd:
    def __init__(self) -> None:
        self._compress = zstandard.ZstdCompressor(level=1).compressobj()

    def encode(self, chunk: bytes) -> bytes:
        return self._compress.compress(chunk) + self._compress.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self) -> bytes:
        return self._compress.flush()


class _Lz4:
    def __init__(self) -> None:
        self._compress = lz4.frame.LZ4FrameCompressor(auto_flush=True)
        self._begin: bytes = self._compress.begin()

    def encode(self, chunk: bytes) -> bytes:
        begin, self._begin = self._begin, b""
        return begin + bytes(self._compress.compress(chunk))

    def finish(self) -> bytes:
        begin, self._begin = self._begin, b""
        return begin + bytes(self._compress.flush())


_ENCODERS: dict[str, Callable[[], Encoder]] = {
    "lz4": _Lz4,
    "zstd": _Zstd,
    "gzip": lambda: _Zlib(_GZIP),
    "deflate": lambda: _Zlib(zlib.MAX_WBITS),
}


def choose(accept_encoding: str) -> str | None:
    """Return the coding for an answer, or None: the first of CODINGS that the header names and does not refuse."""
    accepted = set()
    for item in accept_encoding.lower().split(","):
        coding, _, quality = item.partition(";")
        if quality.replace(" ", "") not in ("q=0", "q=0.0"):
            accepted.add(coding.strip())
    return next((coding for coding in CODINGS if coding in accepted), None)


def encoder(coding: str) -> Encoder:
    """Return a fresh encoder for one of CODINGS."""
    return _ENCODERS[coding]()


def encode(data: bytes, coding: str) -> bytes:
    """Compress one whole body."""
    whole = encoder(coding)
    return whole.encode(data) + whole.finish()


def decode(data: bytes, coding: str, limit: int) -> bytes:
    """Decompress a whole body of one or more frames, to ``limit`` bytes at most.

    Raises ClickHouseError: 48 for a coding not supported, 33 for damaged or cut data, 307 beyond the limit.
    """
    if coding in ("", "identity"):
        return data
    if coding not in CODINGS:
        raise ClickHouseError(
            48, "NOT_IMPLEMENTED", f"Content-Encoding {coding!r} is not supported: use one of {', '.join(CODINGS)}."
        )
    parts: list[bytes] = []
    size = 0
    rest = data
    while rest:
        decompress = _decoder(coding)
        view = memoryview(rest)
        used = 0
        try:
            while used < len(view) and not decompress.eof:
                part = decompress.decompress(bytes(view[used : used + _STEP]))
                used += _STEP
                size += len(part)
                if size > limit:
                    raise ClickHouseError(
                        307,
                        "TOO_MANY_BYTES",
                        f"The body is larger than {limit} bytes decompressed: send smaller batches.",
                    )
                parts.append(part)
        except (zlib.error, zstandard.ZstdError, RuntimeError) as error:
            raise _damaged(coding) from error
        if not decompress.eof:
            raise _damaged(coding)
        rest = (decompress.unused_data or b"") + bytes(view[used:])
    return b"".join(parts)


class _Decoder(Protocol):
    @property
    def eof(self) -> bool: ...
    @property
    def unused_data(self) -> bytes | None: ...
    def decompress(self, data: bytes, /) -> bytes: ...


def _decoder(coding: str) -> _Decoder:
    if coding == "lz4":
        decompressor: _Decoder = lz4.frame.LZ4FrameDecompressor()
        return decompressor
    if coding == "zstd":
        return zstandard.ZstdDecompressor().decompressobj()
    return zlib.decompressobj(_GZIP if coding == "gzip" else zlib.MAX_WBITS)


def _damaged(coding: str) -> ClickHouseError:
    return ClickHouseError(33, "CANNOT_READ_ALL_DATA", f"The body is not complete {coding} data: send it again.")
