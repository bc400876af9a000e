"""The `gai_v1` dialect: `gai.events.v1`, numbered and dated events, in a full and a compact form, both ways.

The full form has one fixed key order. The compact form has its keys sorted and leaves out what the start event said
already (schema, trace_id, request_id, and on finish provider and model); apart from that it loses nothing. Keys that
the original had no place for stand last: id, index, refusal, signature, raw_reason, tool_name, tool_error, raw.
"""

from __future__ import annotations

from .decoder import GaiV1Decoder, parse, validate
from .encoder import SCHEMA, GaiV1Encoder, compact, make_request_id, normalize

__all__ = ["SCHEMA", "GaiV1Decoder", "GaiV1Encoder", "compact", "make_request_id", "normalize", "parse", "validate"]
