"""One JSON array as a stream: cut anywhere, with what is wrong in it, and written."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gai_stream.dialects.gemini import JSONArrayDecoder, JSONArrayEncoder
from gai_stream.exceptions import DecodeError, EncodeError, LimitExceeded, TruncatedStream

ARRAY = (
    b'\xef\xbb\xbf [{"a": "]\\"\\\\}{,", "b": [1, {}]}\r\n,\r\n'
    b'"x\\\\", -1.5e3,null ,\ttrue,[[]] ,"\xe4\xbd\xa0,"\n]\r\n'
)
VALUES = [{"a": ']"\\}{,', "b": [1, {}]}, "x\\", -1500.0, None, True, [[]], "\u4f60,"]


def read(*chunks: bytes, **options: Any) -> tuple[list[Any], list[str]]:
    """The values, and the errors between them, of a decoder that is used as its docstring says."""
    decoder = JSONArrayDecoder(**options)
    values: list[Any] = []
    errors: list[str] = []

    def take(call: Any, *args: bytes) -> None:
        try:
            values.extend(call(*args))
        except (DecodeError, LimitExceeded, TruncatedStream) as exc:
            errors.append(f"{type(exc).__name__}: {exc}")
            values.append(Ellipsis)

    for chunk in chunks:
        take(decoder.feed, chunk)
        while decoder.pending:
            take(decoder.feed, b"")
    take(decoder.finish)
    return values, errors


def test_an_array_gives_its_values_however_it_is_cut() -> None:
    assert read(ARRAY) == (VALUES, [])
    assert read(*(ARRAY[i : i + 1] for i in range(len(ARRAY)))) == (VALUES, [])
    for i in range(len(ARRAY) + 1):
        for j in range(i, len(ARRAY) + 1, 3):
            assert read(ARRAY[:i], b"", ARRAY[i:j], ARRAY[j:]) == (VALUES, [])


@pytest.mark.parametrize("data", [b"[]", b" [ \n] ", b"\xef\xbb\xbf[\t]"])
def test_an_empty_array_gives_nothing(data: bytes) -> None:
    assert read(data) == ([], [])


def test_a_value_is_given_with_its_last_byte_and_not_with_the_comma_behind_it() -> None:
    decoder = JSONArrayDecoder()
    assert decoder.feed(b'[{"a":1') == []
    assert decoder.feed(b"}") == [{"a": 1}]
    assert decoder.feed(b'\n,\r\n"x"') == ["x"]
    assert decoder.feed(b",12") == []
    assert decoder.feed(b"3 ") == [123]
    assert decoder.feed(b"]") == []
    assert decoder.finish() == []


def test_one_object_in_place_of_the_array_is_one_value() -> None:
    body = b'{\n  "error": {"code": 503}\n}\n'
    assert read(body) == ([{"error": {"code": 503}}], [])
    assert read(body[:9], body[9:]) == ([{"error": {"code": 503}}], [])
    values, errors = read(b"{} {}")
    assert values == [{}, ...]
    assert errors == ["DecodeError: byte 3 is no part of a JSON array: b'{'"]


def test_integers_of_any_size_are_exact() -> None:
    assert read(b"[36893488147419103232]") == ([2**65], [])


@pytest.mark.parametrize(
    ("data", "before", "place"),
    [
        (b"x", [], 0),
        (b"1]", [], 0),
        (b"\xef[1]", [], 1),
        (b"\xef\xbb\xbf\xef[1]", [], 3),
        (b"[,1]", [], 1),
        (b"[1,,2]", [1], 3),
        (b"[1,]", [1], 3),
        (b"[{} {}]", [{}], 4),
        (b"[1]]", [1], 3),
        (b'["a":1]', ["a"], 4),
    ],
)
def test_bytes_that_belong_to_no_array_are_an_error_and_end_the_reading(data: bytes, before: Any, place: int) -> None:
    for cut in range(len(data) + 1):
        values, errors = read(data[:cut], data[cut:], b"[1,2]")
        assert values == [*before, ...]
        assert errors == [f"DecodeError: byte {place} is no part of a JSON array: {data[place : place + 1]!r}"]


@pytest.mark.parametrize("bad", [b"{x}", b"nul", b"{]", b'"\xff"', b'{"a":"\\q"}', b"1}"])
def test_a_value_that_cannot_be_read_costs_itself_alone(bad: bytes) -> None:
    data = b"[1, " + bad + b" ,2]"
    for cut in range(len(data) + 1):
        values, errors = read(data[:cut], data[cut:])
        assert values == [1, ..., 2]
        assert len(errors) == 1
        assert errors[0].startswith("DecodeError: the value at byte 4 cannot be read: not JSON: ")
    with pytest.raises(DecodeError) as caught:
        JSONArrayDecoder().feed(data[:1] + data[4:])
    assert (caught.value.line, caught.value.offset) == (bad, 1)


def test_a_value_beyond_the_limit_costs_itself_alone() -> None:
    data = b'[1234,"%s",{"a":5},[[%s]]]' % (b"a" * 9, b"1," * 9 + b"1")
    wanted = [1234, ..., {"a": 5}, ...]
    for cut in range(len(data) + 1):
        values, errors = read(data[:cut], data[cut:], max_value_size=8)
        assert values == wanted
        assert (
            errors
            == [f"LimitExceeded: the value at byte {place} is longer than max_value_size=8 bytes" for place in (6, 26)][
                : len(errors)
            ]
        )
        assert len(errors) == 2
    with pytest.raises(LimitExceeded) as caught:
        JSONArrayDecoder(max_value_size=1).feed(b"[12")
    assert (caught.value.option, caught.value.limit) == ("max_value_size", 1)


def test_the_limit_is_for_each_value_and_may_be_none() -> None:
    assert read(b"[12345678,12345678]", max_value_size=8) == ([12345678] * 2, [])
    assert read(b'["%s"]' % (b"a" * (1 << 21)), max_value_size=None)[1] == []
    assert read(b'["%s"]' % (b"a" * (1 << 21)))[1] != []


@pytest.mark.parametrize("data", [b"", b"\xef\xbb", b"[", b"[1", b"[1,", b'["a', b'{"a": ', b"[{}", b'["\\'])
def test_an_array_that_does_not_end_is_truncated(data: bytes) -> None:
    decoder = JSONArrayDecoder()
    decoder.feed(data)
    with pytest.raises(TruncatedStream, match=r"^the input ended before its JSON array did$"):
        decoder.finish()
    with pytest.raises(RuntimeError, match=r"^JSONArrayDecoder: finish after finish$"):
        decoder.finish()


def test_what_stands_behind_an_error_can_be_had_by_finish_as_well() -> None:
    decoder = JSONArrayDecoder()
    assert decoder.feed(b"[1,x,2,y,3") == [1]
    assert decoder.pending
    with pytest.raises(DecodeError):
        decoder.finish()
    assert decoder.finish() == [2]
    with pytest.raises(DecodeError):
        decoder.finish()
    with pytest.raises(TruncatedStream):
        decoder.finish()
    with pytest.raises(RuntimeError):
        decoder.finish()
    decoder = JSONArrayDecoder()
    with pytest.raises(DecodeError):
        decoder.feed(b"[x,2,")
    assert decoder.finish() == [2]
    assert decoder.pending
    with pytest.raises(TruncatedStream):
        decoder.finish()
    assert decoder.finish() == []


@pytest.mark.parametrize("limit", [0, -1, 1.5, "1", True])
def test_a_meaningless_limit_is_refused(limit: Any) -> None:
    with pytest.raises(ValueError, match="max_value_size must be a whole number of bytes"):
        JSONArrayDecoder(max_value_size=limit)


@pytest.mark.parametrize(("chunk", "fix"), [("[]", ": use text.encode()"), (1, ""), (None, "")])
def test_a_chunk_that_is_no_bytes_is_refused(chunk: Any, fix: str) -> None:
    name = type(chunk).__name__
    with pytest.raises(
        TypeError, match=rf"^JSONArrayDecoder: chunks must be bytes, not {name}{fix.replace('()', '..')}$"
    ):
        JSONArrayDecoder().feed(chunk)
    assert JSONArrayDecoder().feed(bytearray(b"[1,")) == [1]


def test_an_over_long_value_takes_no_memory_beyond_the_limit() -> None:
    decoder = JSONArrayDecoder(max_value_size=1000)
    with pytest.raises(LimitExceeded):
        decoder.feed(b'["' + b"a" * 2000)
    tracemalloc.start()
    try:
        for _ in range(200):
            assert decoder.feed(b"a" * 5000) == []
        assert decoder.feed(b'",1,') == [1]
        for _ in range(200):
            assert decoder.feed(b'"%s",' % (b"b" * 900)) == ["b" * 900]
        assert tracemalloc.get_traced_memory()[0] < 20_000
    finally:
        tracemalloc.stop()


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.lists(JSON, max_size=5), st.data(), st.sampled_from([None, 0, 2]), st.booleans())
def test_any_array_cut_anywhere_is_what_json_makes_of_it(
    values: list[Any], data: st.DataObject, indent: int | None, ascii: bool
) -> None:
    text = json.dumps(values, indent=indent, ensure_ascii=ascii).encode()
    cuts = sorted(data.draw(st.lists(st.integers(0, len(text)), max_size=6)))
    chunks = [text[a:b] for a, b in zip([0, *cuts], [*cuts, len(text)], strict=True)]
    assert read(*chunks) == (values, [])


@given(st.lists(st.sampled_from([b"[", b"]", b"{", b"}", b'"', b"\\", b",", b":", b"1", b" ", b"\xef", b"a"])))
def test_junk_cut_anywhere_gives_the_same(parts: list[bytes]) -> None:
    assert read(b"".join(parts)) == read(*parts)


@given(st.lists(JSON, max_size=5))
def test_what_the_encoder_writes_comes_back(values: list[Any]) -> None:
    encoder = JSONArrayEncoder()
    pieces = [piece for value in values for piece in encoder.feed(value)] + encoder.finish()
    text = b"".join(pieces)
    assert json.loads(text) == values
    assert read(*pieces) == (values, [])


def test_an_array_is_written_as_the_api_does() -> None:
    encoder = JSONArrayEncoder()
    assert encoder.feed({"a": "\u2028"}) == [b'[{"a":"\\u2028"}']
    assert encoder.feed({}) == [b"\n,\r\n{}"]
    assert encoder.finish() == [b"\n]"]
    assert JSONArrayEncoder().finish() == [b"[]"]
    assert (JSONArrayEncoder.media_type, JSONArrayEncoder.heartbeat) == ("application/json", b"")


def test_what_has_no_json_form_is_refused_before_a_byte_is_written() -> None:
    encoder = JSONArrayEncoder()
    with pytest.raises(EncodeError, match="value cannot be written as JSON"):
        encoder.feed(object())
    with pytest.raises(EncodeError, match=r"^bytes are not a message: give a JSON value"):
        encoder.feed(b"{}")
    with pytest.raises(EncodeError, match=r"^JSON has no comments: .* instead of 'hi'$"):
        encoder.comment("hi")
    assert encoder.feed(1) == [b"[1"]


@pytest.mark.parametrize("make", [JSONArrayDecoder, JSONArrayEncoder])
def test_nothing_is_taken_after_finish(make: Any) -> None:
    transform = make()
    for item in [b"[]"] if make is JSONArrayDecoder else []:
        transform.feed(item)
    transform.finish()
    with pytest.raises(RuntimeError, match=rf"^{make.__name__}: feed after finish$"):
        transform.feed(b"[]")
    with pytest.raises(RuntimeError, match=rf"^{make.__name__}: finish after finish$"):
        transform.finish()
