"""The content codings, both ways."""

import gzip
import zlib

import lz4.frame
import pytest
import zstandard
from hypothesis import given
from hypothesis import strategies as st

from hub.clickhouse_embedded import compression
from hub.clickhouse_embedded.errors import ClickHouseError

LIMIT = 1 << 20

codings = st.sampled_from(compression.CODINGS)


@given(st.binary(max_size=5000), codings)
def test_what_was_encoded_decodes_to_the_same(data: bytes, coding: str) -> None:
    assert compression.decode(compression.encode(data, coding), coding, LIMIT) == data


@given(st.lists(st.binary(min_size=1, max_size=500), max_size=8), codings)
def test_a_stream_of_chunks_decodes_to_their_sum(chunks: list[bytes], coding: str) -> None:
    encoder = compression.encoder(coding)
    sent = b"".join(encoder.encode(chunk) for chunk in chunks) + encoder.finish()
    assert compression.decode(sent, coding, LIMIT) == b"".join(chunks)


@pytest.mark.parametrize(
    ("coding", "compress"),
    [
        ("gzip", gzip.compress),
        ("deflate", zlib.compress),
        ("zstd", zstandard.compress),
        ("lz4", lz4.frame.compress),
    ],
)
def test_other_encoders_are_understood_also_in_several_frames(coding: str, compress: object) -> None:
    assert callable(compress)
    one, two = b"a" * 100_000, b"second"
    assert compression.decode(compress(one) + compress(two), coding, LIMIT) == one + two


@given(st.binary(min_size=1, max_size=3000), codings, st.data())
def test_data_cut_short_is_an_error_and_never_a_shorter_body(data: bytes, coding: str, draw: st.DataObject) -> None:
    sent = compression.encode(data, coding)
    cut = draw.draw(st.integers(1, len(sent) - 1))
    with pytest.raises(ClickHouseError) as caught:
        compression.decode(sent[:cut], coding, LIMIT)
    assert caught.value.code == 33


@pytest.mark.parametrize("coding", compression.CODINGS)
def test_a_bomb_is_refused_at_the_limit(coding: str) -> None:
    with pytest.raises(ClickHouseError) as caught:
        compression.decode(compression.encode(bytes(50 << 20), coding), coding, LIMIT)
    assert caught.value.code == 307


def test_an_unknown_coding_is_named() -> None:
    with pytest.raises(ClickHouseError, match="'br' is not supported"):
        compression.decode(b"x", "br", LIMIT)


@pytest.mark.parametrize(
    ("header", "coding"),
    [
        ("lz4,zstd,gzip,deflate", "lz4"),
        ("gzip, deflate", "gzip"),
        ("GZIP;q=0.5", "gzip"),
        ("gzip;q=0, deflate", "deflate"),
        ("identity", None),
        ("", None),
        ("br", None),
    ],
)
def test_the_answer_is_coded_in_the_cheapest_way_the_client_takes(header: str, coding: str | None) -> None:
    assert compression.choose(header) == coding
