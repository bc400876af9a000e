"""The suites that need no server: they do what they say, everyone in them does the same, and each runs to its end."""

from __future__ import annotations

import asyncio
import math
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import chain
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[1]
# The installed package need not be the checkout, and only the checkout has benchmarks.
sys.path.append(str(ROOT))

from benchmarks import costs, decode, decoders, glue, growth, imports, inputs, micro, original, pipeline  # noqa: E402
from benchmarks.original import ROWS, VARIANTS  # noqa: E402
from benchmarks.result import Aim, Figure, Outcome  # noqa: E402
from gai_stream.dialects import registry  # noqa: E402
from gai_stream.dialects.gai import GaiDecoder, GaiEncoder  # noqa: E402
from gai_stream.dialects.openai import OpenAIDecoder  # noqa: E402
from gai_stream.events import TextDelta, ToolCall  # noqa: E402
from gai_stream.sse import SSEDecoder  # noqa: E402


def figures_of(outcome: Outcome) -> dict[str, Figure]:
    """An outcome's figures by their keys, once it was seen to be sound."""
    figures = [figure for table in outcome.tables for figure in table.figures]
    keys = Counter(figure.key for figure in figures)
    assert figures
    assert max(keys.values()) == 1, keys.most_common(1)
    for table in outcome.tables:
        assert table.title
        assert table.figures
    for figure in figures:
        assert figure.name
        assert figure.unit
        assert all(math.isfinite(value) for value in (figure.value, figure.low, figure.high, *figure.samples))
        assert figure.low <= figure.high
    for chart in outcome.charts:
        assert all(points for _, points in chart.series)
        assert all(value > 0 for _, points in chart.series for _, value in points)
    return {figure.key: figure for figure in figures}


def aims(figures: dict[str, Figure]) -> dict[str, Aim]:
    """The aims by their figures' keys."""
    return {key: figure.aim for key, figure in figures.items() if figure.aim is not None}


def run_once(run: Callable[[int | None, Callable[[str], object]], Outcome]) -> dict[str, Figure]:
    """A suite's figures after one round, in which it told how far it is."""
    told: list[str] = []
    figures = figures_of(run(1, told.append))
    assert told
    return figures


def test_original_has_a_figure_for_each_row_and_an_aim_for_the_ten() -> None:
    figures = run_once(original.run)
    compiled = original.compiled_rows()
    assert [*figures] == [row.key for row in (*ROWS, *compiled, *VARIANTS)]
    assert aims(figures) == {row.key: Aim(5.0 if row.key == "normalise" else 1.0) for row in (*ROWS, *compiled)}


# micro


def test_micro_has_a_figure_for_each_case() -> None:
    figures = run_once(micro.run)
    works = [*(case.key for case in micro.cases()), *(work.key for work in micro.reading())]
    assert sorted(figures) == sorted(works)
    assert {figure.unit for figure in figures.values()} == {"units"}


def test_what_micro_decodes_is_what_it_encodes() -> None:
    cases = {case.key: case for case in micro.framings()}
    kinds = {(key.split("/")[0], key.split("/")[2]) for key in cases}
    assert {text for _, text in kinds} == {*inputs.TEXTS, "named", "dict", "ids"}
    for framing, text in kinds:
        encode = cases[f"{framing}/encode/{text}"]
        decoded = cases[f"{framing}/decode-16k/{text}"].outputs()
        assert decoded == cases[f"{framing}/decode-each/{text}"].outputs()
        assert len(decoded) == encode.events == len(encode.items())
        sent = encode.items()[0]
        if framing == "ndjson" or text == "named":
            assert decoded[0] == sent
        else:
            assert decoded[0].data == (sent if isinstance(sent, str) else '{"text":"Benchmark text"}')
        if text == "ids":
            assert [message.id for message in decoded] == [str(number) for number in range(1, 101)]


def test_micro_has_every_dialect_and_its_decoders_read_what_its_encoders_write() -> None:
    cases = {case.key: case for case in micro.dialects()}
    for name in registry.names():
        if registry.dialect(name).encoder is None:
            continue
        text = cases[f"{name}/decode/text"].outputs()
        assert "".join(event.text for event in text if isinstance(event, TextDelta)) == "Benchmark text" * 100
        mixed = cases[f"{name}/decode/mixed"].outputs()
        calls = [event for event in mixed if isinstance(event, ToolCall)]
        assert [(call.name, call.input["city"]) for call in calls] == [("weather", "Zürich")]


def test_a_dialect_that_is_only_read_is_measured_on_a_recording(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    recordings = tmp_path / "gai"
    recordings.mkdir()
    (recordings / "text.sse").write_bytes(
        b'event: text_delta\ndata: {"text":"recorded"}\n\nevent: done\ndata: {"finished":true}\n\n'
    )
    monkeypatch.setattr(inputs, "CORPUS", tmp_path)
    monkeypatch.setattr(registry, "names", lambda: ["gai"])
    monkeypatch.setattr(registry, "dialect", lambda name: registry.Dialect(name, "sse", GaiDecoder, None))
    (case,) = micro.dialects()
    assert case.key == "gai/decode/recorded"
    assert case.outputs()[0] == TextDelta("recorded")
    assert case.events == 2


def test_a_new_dialect_appears_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry.dialect
    monkeypatch.setattr(registry, "names", lambda: ["gai", "new"])
    monkeypatch.setattr(
        registry,
        "dialect",
        lambda name: known("gai") if name == "gai" else registry.Dialect(name, "sse", None, GaiEncoder),
    )
    assert {case.key for case in micro.dialects() if case.key.startswith("new")} == {
        "new/encode/text",
        "new/encode/mixed",
    }
    assert {cost.key for cost in costs.costs() if cost.key.startswith("new")} == {"new/encode/text", "new/encode/call"}


# decode


def test_decode_feeds_the_same_bytes_and_holds_everyone_to_the_same_events(monkeypatch: pytest.MonkeyPatch) -> None:
    for _, blocks in decode.SHAPES.values():
        assert len({b"".join(cut(blocks)) for _, cut in decode.CUTS.values()}) == 1
    shape = ("", [b"data: x\n\n", b"event: y\nid: 1\ndata: z\n\n"])
    monkeypatch.setattr(decode, "SHAPES", {"short": shape})
    decode.check_agreement()

    def forgetful(chunks: list[bytes]) -> Iterator[list[Any]]:
        yield SSEDecoder().feed(b"".join(chunks))[:1]

    monkeypatch.setitem(decoders.SSE_DECODERS, "forgetful", forgetful)
    with pytest.raises(RuntimeError, match="short/16k: forgetful does not decode this as gai_stream does"):
        decode.check_agreement()


def test_decode_has_every_decoder_and_the_issue_s_aims(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "_MIB", 1 << 16)
    figures = run_once(decode.run)
    asked = aims(figures)
    for peer in ("httpx-sse", "httpx-sse, decoder alone"):
        assert asked.pop(f"data/16k/{peer}") == Aim(3.0, at_least=True)
        for key in ("event/16k", "data/each", "event/each"):
            assert asked.pop(f"{key}/{peer}") == Aim(2.5, at_least=True)
    assert asked.pop("line/gai_stream") == Aim(15.0)
    assert asked.pop("line4") == Aim(4.5)
    assert {*asked.values()} == {Aim(1.15)}
    assert {key.rpartition("/")[2] for key in asked} == {"gai_stream", "Reader"}
    assert {f"line/{name}" for name in decoders.SSE_DECODERS} <= {*figures}
    assert len(decode.long_line(1 << 20)) == (1 << 20) // 64 + 1


# growth


@pytest.mark.parametrize("power", [1.0, 1.5, 2.0])
def test_the_exponent_is_the_one_above_the_constant(power: float) -> None:
    sizes = [100 * factor for factor in growth.FACTORS]
    assert growth.exponent(sizes, [5000 + 3 * size**power for size in sizes], 5000) == pytest.approx(power)


def test_a_cost_that_never_rises_above_its_constant_has_no_exponent() -> None:
    with pytest.raises(ValueError, match="nothing grows here"):
        growth.exponent([1, 2], [5.0, 6.0], 5.0)


def test_growth_has_an_exponent_with_its_aim_for_every_cost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growth, "FACTORS", (1, 2, 4))
    monkeypatch.setattr(growth, "_SLICE_NS", 1_000_000)
    figures = run_once(growth.run)
    assert [*figures] == [cost.key for cost in costs.costs()]
    assert aims(figures) == dict.fromkeys(figures, Aim(1.05))
    assert figures["sse/decode/events"].more[:2] == ("200 ... 800", "events")


def test_costs_are_paid_for_as_much_as_they_say(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[int] = []

    class Counting(SSEDecoder):
        def feed(self, chunk: Any, /) -> list[Any]:
            messages = super().feed(chunk)
            fed.append(len(messages))
            return messages

    monkeypatch.setattr(costs, "SSEDecoder", Counting)
    for size in (0, 50, 100):
        fed.clear()
        cost = next(cost for cost in costs.costs() if cost.key == "sse/decode/events")
        asyncio.run(cost.prepare(size)())  # type: ignore[arg-type]
        assert sum(fed) == size


# imports


def test_imports_have_their_aims_and_tell_what_they_load() -> None:
    figures = run_once(imports.run)
    assert aims(figures) == {"gai_stream": Aim(60.0), "gai_stream.sse": Aim(25.0), "sse_names": Aim(25.0)}
    assert figures["bare"].more[:2] == ("0", "0.0")
    assert {figure.unit for figure in figures.values()} == {"ms"}
    assert "gai_stream.sse.decoder" in imports.modules("from gai_stream.sse import SSEDecoder")
    assert "starlette" in imports.modules("from gai_stream import sse_response")


def test_an_import_that_fails_is_not_measured() -> None:
    with pytest.raises(RuntimeError, match="failed in a fresh interpreter, with 3"):
        imports.start("raise SystemExit(3)")
    with pytest.raises(subprocess.CalledProcessError):
        imports.modules("import nothing_of_that_name")


# pipeline


def test_pipeline_has_every_target_and_everyone_carries_the_same_text() -> None:
    figures = run_once(pipeline.run)
    for target in pipeline.targets():
        assert figures[f"{target}/gai_stream"].better == "more"
        assert figures[f"latency/{target}/gai_stream"].better == "less"
        assert figures[f"{target}/glue by hand"].better == ""
    assert {"openai", "gai"} <= {*pipeline.targets()}


@pytest.mark.parametrize("recorded", [True, False], ids=["recorded", "built"])
def test_the_stream_is_whole_and_read_to_its_end(
    recorded: bool, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    if not recorded:
        monkeypatch.setattr(pipeline, "_RECORDING", tmp_path / "none.sse")
    chunks = pipeline.source()
    assert chunks[-1] == b"data: [DONE]\n\n"
    decoder = OpenAIDecoder()
    events = [event for message in SSEDecoder().feed(b"".join(chunks)) for event in decoder.feed(message)]
    text = "".join(event.text for event in [*events, *decoder.finish()] if isinstance(event, TextDelta))
    assert text.startswith("I'm unable to provide real-time weather updates.")
    for target in pipeline.targets():
        for carried in (pipeline.carried_by_us, pipeline.carried_by_glue):
            assert "".join(chain.from_iterable(carried(chunks, target))) == text
        assert "".join(asyncio.run(pipeline.carried_through_a_response(chunks, target))) == text


def test_the_claude_row_is_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    known = registry.dialect
    monkeypatch.setattr(registry, "names", lambda: ["anthropic", "gai", "openai"])
    monkeypatch.setattr(registry, "dialect", lambda name: known("gai" if name == "anthropic" else name))
    assert pipeline.targets() == ["openai", "gai", "anthropic"]
    chunks = pipeline.source()
    claude = glue.TARGETS["anthropic"]
    sent = b"".join(glue.carry(chunks, claude))
    names = [message.event for message in SSEDecoder().feed(sent)]
    assert names[:2] == ["message_start", "content_block_start"]
    assert names[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert {*names[2:-3]} == {"content_block_delta"}
    assert "".join(glue.read_text(sent, claude)).startswith("I'm unable")


def test_the_glue_s_answers_are_what_clients_of_the_dialects_read() -> None:
    for target in pipeline.targets():
        sent = b"".join(glue.carry(pipeline.source(), glue.TARGETS[target]))
        client = registry.dialect(target).decoder
        assert client is not None
        decoder = client()
        events = [event for message in SSEDecoder().feed(sent) for event in decoder.feed(message)]
        events += decoder.finish()
        text = "".join(glue.read_text(sent, glue.TARGETS[target]))
        assert "".join(event.text for event in events if isinstance(event, TextDelta)) == text
