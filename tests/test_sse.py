"""The event stream format, case by case from WHATWG HTML 9.2.5 and 9.2.6, each at every cut of its bytes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest

from gai_stream.sse import ServerSentEvent, SSEDecoder

Message = tuple[str, str, str | None]
Case = tuple[str, bytes, list[Message], str, int | None]

BOM = b"\xef\xbb\xbf"
BAD = "\ufffd"


def m(data: str, type: str = "message", id: str | None = None) -> Message:
    return type, data, id


def case(name: str, stream: bytes, *messages: Message, last: str = "", retry: int | None = None) -> Case:
    return name, stream, list(messages), last, retry


CASES = [
    # The standard's own examples
    case("three_lines_are_one_event", b"data: YHOO\ndata: +2\ndata: 10\n\n", m("YHOO\n+2\n10")),
    case(
        "four_blocks_of_the_standard",
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n\n",
        *(m("first event", id="1"), m("second event", id=""), m(" third event", id="")),
    ),
    case("empty_data_and_two_empty_data", b"data\n\ndata\ndata\n\ndata:", m(""), m("\n")),
    case("space_or_no_space_is_the_same", b"data:test\n\ndata: test\n\n", m("test"), m("test")),
    case("typed_events", b"event: add\ndata: 7\n\nevent: remove\ndata: 2\n\n", m("7", "add"), m("2", "remove")),
    # Nothing at all
    case("no_bytes", b""),
    case("one_blank_line", b"\n"),
    case("many_blank_lines", b"\n\r\r\n\n\n\r"),
    case("blank_lines_between_events", b"data: a\n\n\n\n\ndata: b\n\n", m("a"), m("b")),
    case("odd_blank_line_between_events", b"data: a\n\n\ndata: b\n\n", m("a"), m("b")),
    case("blank_lines_first", b"\n\n\ndata: a\n\n", m("a")),
    # Line ends
    case("lf", b"data: a\ndata: b\n\n", m("a\nb")),
    case("crlf", b"data: a\r\ndata: b\r\n\r\n", m("a\nb")),
    case("cr", b"data: a\rdata: b\r\r", m("a\nb")),
    case("cr_at_the_very_end_dispatches", b"data: a\r\r", m("a")),
    case("lf_then_cr_is_a_blank_line", b"data: a\n\r", m("a")),
    case("lf_then_crlf_is_a_blank_line", b"data: a\n\r\ndata: b\n\r\n", m("a"), m("b")),
    case("crlf_then_lf_is_a_blank_line", b"data: a\r\n\ndata: b\r\n\n", m("a"), m("b")),
    case("crlf_then_cr_is_a_blank_line", b"data: a\r\n\rdata: b\r\n\r", m("a"), m("b")),
    case("cr_then_crlf_is_a_blank_line", b"data: a\r\r\ndata: b\r\r\n", m("a"), m("b")),
    case("crlf_alone_is_one_line_end", b"data: a\r\ndata: b\r\n", last=""),
    case("mixed_ends_in_one_event", b"data: a\rdata: b\ndata: c\r\ndata: d\n\n", m("a\nb\nc\nd")),
    case("mixed_ends_between_events", b"data: a\r\rdata: b\n\ndata: c\r\n\r\n", m("a"), m("b"), m("c")),
    case("many_crlf_events", b"data: a\r\n\r\ndata: b\r\n\r\ndata: c\r\n\r\n", m("a"), m("b"), m("c")),
    case("vertical_tab_is_data", b"data: a\x0bb\n\n", m("a\x0bb")),
    case("form_feed_is_data", b"data: a\x0cb\n\n", m("a\x0cb")),
    case("file_separators_are_data", b"data: a\x1cb\x1dc\x1ed\n\n", m("a\x1cb\x1dc\x1ed")),
    case("next_line_is_data", "data: a\x85b\n\n".encode(), m("a\x85b")),
    case("line_separator_is_data", "data: a\u2028b\u2029c\n\n".encode(), m("a\u2028b\u2029c")),
    # BOM
    case("bom_is_dropped", BOM + b"data: a\n\n", m("a")),
    case("bom_before_event_field", BOM + b"event: x\ndata: a\n\n", m("a", "x")),
    case("bom_before_id_field", BOM + b"id: 1\ndata: a\n\n", m("a", id="1"), last="1"),
    case("bom_before_retry", BOM + b"retry: 10\n\n", retry=10),
    case("bom_before_comment", BOM + b": c\ndata: a\n\n", m("a")),
    case("bom_before_blank_line", BOM + b"\n\ndata: a\n\n", m("a")),
    case("bom_before_cr", BOM + b"\rdata: a\r\r", m("a")),
    case("second_bom_is_a_character", BOM + BOM + b"data: a\n\n"),
    case("second_bom_spoils_one_line_only", BOM + BOM + b"data: a\ndata: b\n\n", m("b")),
    case("bom_after_blank_line_is_a_character", b"\n" + BOM + b"data: a\n\n"),
    case("bom_before_second_event_is_a_character", b"data: a\n\n" + BOM + b"data: b\n\n", m("a")),
    case("bom_in_a_value_is_data", b"data: " + BOM + b"a\n\n", m("\ufeffa")),
    case("bom_at_the_start_of_a_value_is_data", b"data:" + BOM + b"\n\n", m("\ufeff")),
    case("bom_alone", BOM),
    case("half_a_bom", BOM[:2]),
    case("half_a_bom_before_a_field", BOM[:2] + b"data: a\n\ndata: b\n\n", m("b")),
    case("one_byte_of_a_bom_before_a_line", BOM[:1] + b"\ndata: b\n\n", m("b")),
    case("letters_that_look_like_a_bom", "ï»¿data: a\n\ndata: b\n\n".encode(), m("b")),
    case("utf_16_is_not_understood", "data: a\n\n".encode("utf-16")),
    # UTF-8
    case("two_three_and_four_byte_characters", "data: é日😀\n\n".encode(), m("é日😀")),
    case("character_in_every_field", "id: é\nevent: 日\ndata: 😀\n\n".encode(), m("😀", "日", "é"), last="é"),
    case("lone_continuation_byte", b"data: a\x80b\n\n", m(f"a{BAD}b")),
    case("bytes_that_never_occur", b"data: \xfe\xff\xc0\xc1\xf5\n\n", m(BAD * 5)),
    case("overlong_slash", b"data: \xc0\xaf\n\n", m(BAD * 2)),
    case("overlong_three_bytes", b"data: \xe0\x80\xaf\n\n", m(BAD * 3)),
    case("surrogate_in_utf_8", b"data: \xed\xa0\x80\n\n", m(BAD * 3)),
    case("beyond_the_last_character", b"data: \xf4\x90\x80\x80\n\n", m(BAD * 4)),
    case("cut_three_byte_character_is_one_replacement", b"data: \xe2\x82x\n\n", m(f"{BAD}x")),
    case("cut_four_byte_character_is_one_replacement", b"data: \xf0\x9f\x98x\n\n", m(f"{BAD}x")),
    case("cut_character_does_not_swallow_the_line_end", b"data: \xe2\x82\ndata: b\n\n", m(f"{BAD}\nb")),
    case("cut_character_does_not_swallow_a_cr", b"data: \xf0\x9f\rdata: b\r\r", m(f"{BAD}\nb")),
    case("cut_character_before_the_next", b"data: \xe2\x82\xe2\x82\xac\n\n", m(f"{BAD}€")),
    case("bad_byte_in_one_event_of_three", b"data: a\n\ndata: \xff\n\ndata: c\n\n", m("a"), m(BAD), m("c")),
    case("bad_byte_in_type", b"event: \xff\ndata: a\n\n", m("a", BAD)),
    case("bad_byte_in_id", b"id: \xff\ndata: a\n\n", m("a", id=BAD), last=BAD),
    case("bad_byte_in_field_name", b"da\xffta: a\ndata: b\n\n", m("b")),
    case("bad_byte_in_comment", b": \xff\ndata: b\n\n", m("b")),
    # Fields and their values
    case("exactly_one_space_is_dropped", b"data:   a\n\n", m("  a")),
    case("trailing_space_stays", b"data: a  \n\n", m("a  ")),
    case("a_token_that_is_a_space", b"data:  \n\n", m(" ")),
    case("a_value_that_is_the_dropped_space", b"data: \n\n", m("")),
    case("tab_is_not_dropped", b"data:\ta\n\n", m("\ta")),
    case("no_break_space_is_not_dropped", "data:\u00a0a\n\n".encode(), m("\u00a0a")),
    case("colons_in_the_value", b"data: a:b: c\n\n", m("a:b: c")),
    case("value_that_begins_with_a_colon", b"data::a\n\n", m(":a")),
    case("value_that_is_a_colon", b"data: :\n\n", m(":")),
    case("data_without_colon", b"data\n\n", m("")),
    case("data_without_colon_between_lines", b"data: a\ndata\ndata: b\n\n", m("a\n\nb")),
    case("leading_empty_data_line", b"data:\ndata: a\n\n", m("\na")),
    case("trailing_empty_data_line", b"data: a\ndata:\n\n", m("a\n")),
    case("two_empty_data_lines", b"data:\ndata:\n\n", m("\n")),
    case("three_empty_data_lines", b"data\ndata\ndata\n\n", m("\n\n")),
    case("nul_in_data", b"data: a\0b\n\n", m("a\0b")),
    case("data_is_not_json", b"data: [DONE]\n\n", m("[DONE]")),
    case("data_that_looks_like_fields", b"data: data: a\n\ndata: event: b\n\n", m("data: a"), m("event: b")),
    case("same_event_twice", b"data: a\n\ndata: a\n\n", m("a"), m("a")),
    case("data_lines_apart", b"data: a\nevent: x\ndata: b\n\n", m("a\nb", "x")),
    case("space_and_no_space_lines_together", b"data: a\ndata:b\ndata: c\n\n", m("a\nb\nc")),
    case("no_space_event_after_spaced_ones", b"data: a\n\ndata:b\n\ndata: c\n\n", m("a"), m("b"), m("c")),
    # Names that are none
    case("unknown_field", b"foo: bar\ndata: a\n\n", m("a")),
    case("unknown_field_alone", b"foo: bar\n\n"),
    case("unknown_name_without_colon", b"foo\ndata: a\n\n", m("a")),
    case("names_are_case_sensitive", b"Data: a\nDATA: b\ndatA: c\n\n"),
    case("name_with_a_space_before", b" data: a\n\n"),
    case("name_with_a_space_behind", b"data : a\n\n"),
    case("name_with_a_tab_behind", b"data\t: a\n\n"),
    case("name_with_nul", b"data\0: a\n\n"),
    case("longer_name", b"datas: a\nevents: b\nids: c\nretryy: 1\ndata: d\n\n", m("d")),
    case("shorter_name", b"dat: a\neven: b\ni: c\nretr: 1\ndata: d\n\n", m("d")),
    case("json_without_a_field", b'{"error": {"code": 500}}\n\ndata: a\n\n', m("a")),
    case("line_of_spaces_is_not_blank", b"data: a\n   \ndata: b\n\n", m("a\nb")),
    case("line_of_a_tab_is_not_blank", b"data: a\n\t\ndata: b\n\n", m("a\nb")),
    case("line_of_nul_is_not_blank", b"data: a\n\0\ndata: b\n\n", m("a\nb")),
    # Comments
    case("comment", b": hello\n"),
    case("comment_without_text", b":\ndata: a\n\n", m("a")),
    case("comment_with_a_blank_line", b": ping\n\ndata: a\n\n", m("a")),
    case("comment_inside_an_event", b"data: a\n: ping\ndata: b\n\n", m("a\nb")),
    case("comment_that_looks_like_data", b":data: a\n\n"),
    case("comment_behind_an_id_is_no_event", b"id: 1\ndata: a\n\n: ping\n\n", m("a", id="1"), last="1"),
    case("many_heartbeats_behind_an_id", b"id: 1\n\n" + b": ping\n\n" * 3 + b"data: a\n\n", m("a", id="1"), last="1"),
    case("openrouter_heartbeats", b": OPENROUTER PROCESSING\n\ndata: a\n\n", m("a")),
    # Types
    case("type", b"event: x\ndata: a\n\n", m("a", "x")),
    case("type_behind_data", b"data: a\nevent: x\n\n", m("a", "x")),
    case("type_is_for_one_event", b"event: x\ndata: a\n\ndata: b\n\n", m("a", "x"), m("b")),
    case("type_without_data_is_no_event", b"event: ping\n\ndata: a\n\n", m("a")),
    case("last_type_counts", b"event: x\nevent: y\ndata: a\n\n", m("a", "y")),
    case("empty_type_is_message", b"event:\ndata: a\n\n", m("a")),
    case("empty_type_with_space_is_message", b"event: \ndata: a\n\n", m("a")),
    case("type_without_colon_is_message", b"event\ndata: a\n\n", m("a")),
    case("empty_type_takes_a_type_back", b"event: x\nevent\ndata: a\n\n", m("a")),
    case("type_keeps_its_spaces", b"event:  x \ndata: a\n\n", m("a", " x ")),
    case("type_with_nul", b"event: x\0y\ndata: a\n\n", m("a", "x\0y")),
    case("types_with_nul_beside_others", b"event: x\ndata: a\n\nevent: \0\ndata: b\n\n", m("a", "x"), m("b", "\0")),
    case("type_message", b"event: message\ndata: a\n\n", m("a")),
    case("type_with_a_colon", b"event: a:b\ndata: c\n\n", m("c", "a:b")),
    case("event_with_no_space", b"event:x\ndata:a\n\n", m("a", "x")),
    case("typed_then_bare", b"event: x\ndata: a\n\nevent: y\n\ndata: b\n\n", m("a", "x"), m("b")),
    case("type_and_two_lines", b"event: x\ndata: a\ndata: b\n\nevent: y\ndata: c\n\n", m("a\nb", "x"), m("c", "y")),
    case("type_then_id_then_data", b"event: x\nid: 1\ndata: a\n\n", m("a", "x", "1"), last="1"),
    # IDs
    case("id", b"id: 1\ndata: a\n\n", m("a", id="1"), last="1"),
    case("id_behind_data", b"data: a\nid: 1\n\n", m("a", id="1"), last="1"),
    case("id_is_carried_over", b"id: 1\ndata: a\n\ndata: b\n\n", m("a", id="1"), m("b", id="1"), last="1"),
    case("id_before_the_first", b"data: a\n\nid: 1\ndata: b\n\n", m("a"), m("b", id="1"), last="1"),
    case("last_id_of_an_event_counts", b"id: 1\nid: 2\ndata: a\n\n", m("a", id="2"), last="2"),
    case("id_without_data_is_kept", b"id: 1\n\ndata: a\n\n", m("a", id="1"), last="1"),
    case("id_with_a_type_but_no_data_is_kept", b"event: x\nid: 1\n\n", last="1"),
    case("empty_id_resets", b"id: 1\ndata: a\n\nid:\ndata: b\n\n", m("a", id="1"), m("b", id="")),
    case("empty_id_with_space_resets", b"id: 1\n\nid: \ndata: b\n\n", m("b", id="")),
    case("id_without_colon_resets", b"id: 1\n\nid\ndata: b\n\n", m("b", id="")),
    case("empty_id_resets_without_data", b"id: 1\n\nid\n\ndata: b\n\n", m("b", id="")),
    case("empty_id_first", b"id:\ndata: a\n\n", m("a", id="")),
    case("reset_id_is_carried_over", b"id\ndata: a\n\ndata: b\n\n", m("a", id=""), m("b", id="")),
    case("id_with_nul_is_ignored", b"id: 1\0\ndata: a\n\n", m("a")),
    case("id_of_nul_is_ignored", b"id: \0\ndata: a\n\n", m("a")),
    case("id_with_nul_leaves_the_last", b"id: 1\n\nid: 2\0\ndata: b\n\n", m("b", id="1"), last="1"),
    case("id_with_nul_leaves_the_one_before", b"id: 1\nid: \x002\ndata: a\n\n", m("a", id="1"), last="1"),
    case("id_with_nul_takes_nothing_else_along", b"id: \0\nevent: x\ndata: a\n\n", m("a", "x")),
    case("id_keeps_its_spaces", b"id:  1 \ndata: a\n\n", m("a", id=" 1 "), last=" 1 "),
    case("id_need_not_be_a_number", b"id: a/b:c=\ndata: a\n\n", m("a", id="a/b:c="), last="a/b:c="),
    case("id_of_an_unfinished_event_is_lost", b"id: 1\ndata: a\n\nid: 2\ndata: b\n", m("a", id="1"), last="1"),
    case("id_of_a_lone_unfinished_line_is_lost", b"id: 2"),
    case("id_of_a_lone_finished_line_is_lost", b"id: 2\r\n"),
    case("id_field_is_case_sensitive", b"Id: 1\nID: 2\ndata: a\n\n", m("a")),
    case(
        "id_type_data_in_every_event",
        b"id: 1\nevent: x\ndata: a\n\nid: 2\nevent: y\ndata: b\n\n",
        *(m("a", "x", "1"), m("b", "y", "2")),
        last="2",
    ),
    # Reconnection time
    case("retry", b"retry: 3000\n\n", retry=3000),
    case("retry_works_without_a_blank_line", b"retry: 3000\n", retry=3000),
    case("retry_needs_its_line_end", b"retry: 3000"),
    case("retry_with_data", b"retry: 10\ndata: a\n\n", m("a"), retry=10),
    case("retry_is_no_event", b"id: 1\n\nretry: 10\n\n", last="1", retry=10),
    case("last_retry_counts", b"retry: 10\nretry: 20\n\n", retry=20),
    case("retry_zero", b"retry: 0\n\n", retry=0),
    case("retry_with_leading_zeros", b"retry: 0010\n\n", retry=10),
    case("retry_of_many_zeros", b"retry: " + b"0" * 5000 + b"7\n\n", retry=7),
    case("retry_of_twenty_digits_is_exact", b"retry: 18446744073709551617\n\n", retry=18446744073709551617),
    case("retry_beyond_any_number", b"retry: " + b"9" * 5000 + b"\n\n", retry=10**300),
    case("retry_without_space", b"retry:10\n\n", retry=10),
    case("retry_with_two_spaces", b"retry:  10\n\n"),
    case("retry_with_trailing_space", b"retry: 10 \n\n"),
    case("retry_with_plus", b"retry: +5\n\n"),
    case("retry_with_minus", b"retry: -5\n\n"),
    case("retry_with_a_point", b"retry: 1.5\n\n"),
    case("retry_with_an_exponent", b"retry: 1e3\n\n"),
    case("retry_with_a_unit", b"retry: 500ms\n\n"),
    case("retry_with_an_underscore", b"retry: 1_000\n\n"),
    case("retry_in_hexadecimal", b"retry: 0x10\n\n"),
    case("retry_with_superscript", "retry: ²\n\n".encode()),
    case("retry_with_arabic_digits", "retry: ٣\n\n".encode()),
    case("retry_with_fullwidth_digits", "retry: １０\n\n".encode()),
    case("retry_with_nul", b"retry: 10\0\n\n"),
    case("retry_empty", b"retry:\n\n"),
    case("retry_without_colon", b"retry\n\n"),
    case("bad_retry_leaves_the_last", b"retry: 10\n\nretry: x\n\nretry:\n\n", retry=10),
    # The end of the input
    case("unfinished_event_is_dropped", b"data: a\n\ndata: b\n", m("a")),
    case("unfinished_line_is_dropped", b"data: a\n\ndata: b", m("a")),
    case("unfinished_cr_event_is_dropped", b"data: a\r"),
    case("unfinished_crlf_event_is_dropped", b"data: a\r\n"),
    case("unfinished_character_is_dropped", b"data: a\n\ndata: \xe2\x82", m("a")),
]  # fmt: skip


def read(chunks: Iterable[bytes]) -> tuple[list[Message], str, int | None]:
    decoder = SSEDecoder()
    messages = [message for chunk in chunks for message in decoder.feed(chunk)]
    messages += decoder.finish()
    assert all(type(message) is ServerSentEvent and message.comment is None for message in messages)
    seen = [(message.event, message.data, message.id) for message in messages]
    return seen, decoder.last_event_id, decoder.reconnection_time


def every_split(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    return ((data[:cut], data[cut:]) for cut in range(len(data) + 1))


cases = pytest.mark.parametrize(
    ("stream", "messages", "last", "retry"), [pytest.param(*rest, id=name) for name, *rest in CASES]
)


@cases
def test_stream_in_one_chunk(stream: bytes, messages: list[Message], last: str, retry: int | None) -> None:
    assert read([stream]) == (messages, last, retry)


@cases
def test_stream_byte_by_byte(stream: bytes, messages: list[Message], last: str, retry: int | None) -> None:
    assert read(stream[at : at + 1] for at in range(len(stream))) == (messages, last, retry)


@cases
def test_stream_byte_by_byte_with_empty_chunks(
    stream: bytes, messages: list[Message], last: str, retry: int | None
) -> None:
    chunks = (chunk for at in range(len(stream)) for chunk in (b"", stream[at : at + 1], b""))
    assert read(chunks) == (messages, last, retry)


@cases
def test_stream_at_every_split(stream: bytes, messages: list[Message], last: str, retry: int | None) -> None:
    beginning, rest = stream[:200], stream[200:]
    for chunks in every_split(beginning):
        assert read([*chunks, rest]) == (messages, last, retry), chunks


@pytest.mark.parametrize(
    ("stream", "messages"),
    [pytest.param(stream, messages, id=name) for name, stream, messages, *_ in CASES if not stream.startswith(BOM[:1])],
)
def test_stream_behind_and_before_others(stream: bytes, messages: list[Message]) -> None:
    """Read it where the quick path is warm: whole events before it in the chunk, and behind it."""
    seen, _, _ = read([b"data: before\n\n" * 3 + stream + b"\n\nid: end\ndata: behind\n\n"])
    assert seen[:3] == [m("before")] * 3
    assert seen[3 : 3 + len(messages)] == messages
    assert seen[-1] == m("behind", id="end")


def test_there_are_enough_cases_and_each_has_its_own_name() -> None:
    assert len({name for name, *_ in CASES}) == len(CASES) >= 150
