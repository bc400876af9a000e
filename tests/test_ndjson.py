"""NDJSON decoding: what errors, limits and options do. The byte streams are in test_ndjson_vectors."""

from __future__ import annotations

import json
import tracemalloc
from functools import partial
from typing import Any

import msgspec
import pytest

from gai_stream import events
from gai_stream.exceptions import DecodeError, LimitExceeded
from gai_stream.ndjson import NDJSONDecoder, NDJSONEncoder


class TestErrors:
    def test_good_values_come_before_the_error_and_nothing_behind_it_is_lost(self) -> None:
        decoder = NDJSONDecoder()
        assert decoder.feed(b"1\n2\nx\n3\ny\n4\n") == [1, 2]
        assert decoder.pending
        with pytest.raises(DecodeError, match=r"line 3 \(byte 4\) cannot be read: unexpected character.* column 1$"):
            decoder.feed(b"5\n")
        assert decoder.feed(b"6") == [3]
        with pytest.raises(DecodeError, match="line 5"):
            decoder.feed(b"")
        assert decoder.feed(b"7\n") == [4, 5, 67]
        assert not decoder.pending
        assert decoder.finish() == []

    def test_an_error_with_nothing_good_before_it_is_raised_at_once(self) -> None:
        decoder = NDJSONDecoder()
        with pytest.raises(DecodeError, match="line 1") as caught:
            decoder.feed(b"x\n1\n")
        assert (caught.value.line_number, caught.value.offset, caught.value.line) == (1, 0, b"x")
        assert isinstance(caught.value.__cause__, json.JSONDecodeError)
        assert decoder.feed(b"") == [1]

    def test_finish_is_called_again_while_errors_are_pending(self) -> None:
        decoder = NDJSONDecoder()
        assert decoder.feed(b"1\nx\n2\ny\n3") == [1]
        with pytest.raises(DecodeError, match="line 2"):
            decoder.finish()
        assert decoder.finish() == [2]
        with pytest.raises(DecodeError, match="line 4"):
            decoder.finish()
        with pytest.raises(RuntimeError, match=r"^NDJSONDecoder: feed after finish$"):
            decoder.feed(b"4\n")
        assert decoder.finish() == [3]
        with pytest.raises(RuntimeError, match=r"^NDJSONDecoder: finish after finish$"):
            decoder.finish()

    def test_a_bad_last_line_is_raised_by_finish(self) -> None:
        decoder = NDJSONDecoder()
        assert decoder.feed(b"1\nx") == [1]
        with pytest.raises(DecodeError, match="line 2"):
            decoder.finish()
        assert decoder.finish() == []

    def test_skip_drops_bad_lines(self) -> None:
        decoder = NDJSONDecoder(on_error="skip", max_line_size=4)
        assert decoder.feed(b"1\nx\n2\n12345\n3\n\n123") == [1, 2, 3]
        assert decoder.feed(b"456") == []
        assert decoder.feed(b"789\n4") == []
        assert decoder.finish() == [4]

    def test_a_callable_is_told_of_each_bad_line(self) -> None:
        told: list[DecodeError] = []
        decoder = NDJSONDecoder(on_error=told.append, max_line_size=4)
        assert decoder.feed(b"1\nx\n2\n12345\n3\n123456") == [1, 2, 3]
        assert [(e.line_number, e.offset, e.line) for e in told] == [(2, 2, b"x"), (4, 6, None), (6, 14, None)]
        assert str(told[1]) == "line 4 (byte 6) is longer than max_line_size=4 bytes"
        assert decoder.feed(b"\ny\n") == []
        assert (told[3].line_number, told[3].offset) == (7, 21)

    def test_what_the_callable_raises_comes_behind_the_good_values(self) -> None:
        def refuse(error: DecodeError) -> None:
            raise KeyError(error.line_number)

        decoder = NDJSONDecoder(on_error=refuse)
        assert decoder.feed(b"1\nx\n2\n") == [1]
        with pytest.raises(KeyError, match="2"):
            decoder.feed(b"")
        assert decoder.feed(b"") == [2]

    @pytest.mark.parametrize(
        ("loads", "reason"),
        [
            (lambda line: [][int(line)], None),
            (json.loads, "Expecting value at column 1"),
            (msgspec.json.Decoder(dict).decode, "malformed"),
            (events.decode, "not an event"),
            (partial(bytes.decode, encoding="ascii"), None),
        ],
    )
    def test_a_custom_loads_has_its_errors_wrapped(self, loads: Any, reason: str | None) -> None:
        decoder = NDJSONDecoder(loads=loads)
        if reason is None:
            reason = "invalid literal|ascii"
        with pytest.raises(DecodeError, match=rf"line 2 \(byte 2\) cannot be read: .*({reason})"):
            decoder.feed(b"\r\n" + "\u00fc\n".encode())

    def test_a_custom_loads_sees_each_line_once(self) -> None:
        seen: list[bytes] = []

        def loads(line: bytes) -> int:
            seen.append(line)
            return int(line)

        decoder = NDJSONDecoder(loads=loads, on_error="skip")
        assert decoder.feed(b"1\nx\n2\n") + decoder.feed(b"3\n") + decoder.feed(b"4\ny\n") == [1, 2, 3, 4]
        assert seen == [b"1", b"x", b"2", b"3", b"4", b"y"]

    def test_a_recursion_error_of_a_custom_loads_is_a_decode_error(self) -> None:
        with pytest.raises(DecodeError, match=r"line 1 .*recursion"):
            NDJSONDecoder(loads=json.loads).feed(b"[" * 200_000 + b"\n")

    def test_other_errors_of_a_custom_loads_are_yours_to_see(self) -> None:
        decoder = NDJSONDecoder(loads=lambda line: {b"1": "one", b"2": "two"}[line], on_error="skip")
        assert decoder.feed(b"1\n\r\n3\n2\n") == ["one"]
        with pytest.raises(KeyError):
            decoder.feed(b"")
        assert decoder.feed(b"") == ["two"]

    def test_a_custom_loads_that_raises_stop_iteration_loses_no_line(self) -> None:
        decoder = NDJSONDecoder(loads=lambda line: next(iter(line.replace(b"x", b""))))
        assert decoder.feed(b"1\nx\n2\n") == [0x31]
        with pytest.raises(RuntimeError, match="loads raised StopIteration"):
            decoder.feed(b"")
        assert decoder.feed(b"") == [0x32]

    def test_a_custom_loads_never_sees_blank_lines(self) -> None:
        assert NDJSONDecoder(loads=bytes).feed(b"a\n\n \n\t\r\n\x0b\nb\r\n") == [b"a", b"\x0b", b"b\r"]


class TestLimits:
    @pytest.mark.parametrize("size", [1, 3, 100])
    def test_a_line_of_exactly_the_limit_is_read_and_one_byte_more_is_not(self, size: int) -> None:
        told: list[DecodeError] = []
        decoder = NDJSONDecoder(max_line_size=4, on_error=told.append)
        data = b"1234\n12345\n12\n"
        values = [value for i in range(0, len(data), size) for value in decoder.feed(data[i : i + size])]
        assert values == [1234, 12]
        assert list(map(str, told)) == ["line 2 (byte 5) is longer than max_line_size=4 bytes"]

    def test_the_error_names_the_option_and_is_raised_before_the_line_ends(self) -> None:
        decoder = NDJSONDecoder(max_line_size=4)
        with pytest.raises(LimitExceeded, match="max_line_size=4 bytes") as caught:
            decoder.feed(b"12345")
        assert (caught.value.option, caught.value.limit) == ("max_line_size", 4)
        assert decoder.feed(b"678") == []
        assert decoder.feed(b"9\n1\nx") == [1]
        with pytest.raises(DecodeError) as bad:
            decoder.finish()
        assert (bad.value.line_number, bad.value.offset) == (3, 12)

    def test_white_space_counts(self) -> None:
        with pytest.raises(LimitExceeded):
            NDJSONDecoder(max_line_size=4).feed(b" " * 5)

    def test_the_default_limit_is_one_mebibyte(self) -> None:
        assert NDJSONDecoder().feed(b'"' + b"a" * ((1 << 20) - 2) + b'"\n') == ["a" * ((1 << 20) - 2)]
        with pytest.raises(LimitExceeded, match="max_line_size=1048576 bytes"):
            NDJSONDecoder().feed(b"a" * ((1 << 20) + 1))

    def test_none_is_no_limit(self) -> None:
        decoder = NDJSONDecoder(max_line_size=None)
        assert decoder.feed(b'"' + b"a" * (3 << 20)) == []
        assert decoder.feed(b'"\n') == ["a" * (3 << 20)]

    @pytest.mark.parametrize("on_error", ["raise", "skip", lambda error: None])
    @pytest.mark.parametrize("size", [7, 4096])
    def test_an_endless_line_costs_no_memory_beyond_the_limit(self, on_error: Any, size: int) -> None:
        decoder = NDJSONDecoder(max_line_size=1 << 14, on_error=on_error)
        chunk = b"a" * size
        tracemalloc.start()
        try:
            for _ in range((1 << 18) // size):
                try:
                    assert decoder.feed(chunk) == []
                except LimitExceeded:
                    assert on_error == "raise"
            assert tracemalloc.get_traced_memory()[1] < 3 << 14
        finally:
            tracemalloc.stop()
        assert decoder.feed(b"\n1\n") == [1]

    def test_what_was_read_is_not_kept(self) -> None:
        decoder = NDJSONDecoder()
        tracemalloc.start()
        try:
            for number in range(3000):
                decoder.feed(b'{"number": %d, "text": "%s"}\n' % (number, b"a" * 500))
            assert tracemalloc.get_traced_memory()[0] < 20_000
        finally:
            tracemalloc.stop()


class TestOptions:
    @pytest.mark.parametrize("size", [0, -1])
    def test_a_limit_that_lets_nothing_through_is_refused(self, size: int) -> None:
        with pytest.raises(
            ValueError,
            match=f"max_line_size must be a whole number of bytes, 1 or more, or None .*, not {size}",
        ):
            NDJSONDecoder(max_line_size=size)

    def test_an_unknown_policy_is_refused(self) -> None:
        with pytest.raises(ValueError, match='on_error must be "raise", "skip" or a function'):
            NDJSONDecoder(on_error="ignore")  # type: ignore[arg-type]

    def test_what_is_no_function_is_refused(self) -> None:
        with pytest.raises(TypeError, match="loads must be a function"):
            NDJSONDecoder(loads=None)  # type: ignore[arg-type]
        with pytest.raises(TypeError, match="dumps must be a function"):
            NDJSONEncoder(dumps=None)  # type: ignore[arg-type]

    def test_exact_ints_and_loads_exclude_each_other(self) -> None:
        with pytest.raises(ValueError, match="leave out loads, or exact_ints"):
            NDJSONDecoder(loads=json.loads, exact_ints=True)

    def test_integers_beyond_64_bits_are_floats_unless_exact(self) -> None:
        data = b"18446744073709551616\n"
        assert type(NDJSONDecoder().feed(data)[0]) is float
        assert NDJSONDecoder(exact_ints=True).feed(data) == [2**64]
        assert type(NDJSONDecoder(exact_ints=True).feed(data)[0]) is int

    def test_other_kinds_of_bytes_are_taken_and_text_is_refused(self) -> None:
        decoder = NDJSONDecoder()
        assert decoder.feed(bytearray(b"1\n")) == [1]
        assert decoder.feed(memoryview(b"2\n")) == [2]
        with pytest.raises(TypeError, match=r"chunks must be bytes, not str: use text.encode\(\)"):
            decoder.feed("3\n")  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=r"chunks must be bytes, not int$"):
            decoder.feed(3)  # type: ignore[arg-type]
