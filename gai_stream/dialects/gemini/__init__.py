"""Google's `streamGenerateContent`: decode and encode, as Server-Sent Events or as one JSON array."""

from .array import JSONArrayDecoder, JSONArrayEncoder
from .decoder import GeminiDecoder
from .encoder import GeminiEncoder

__all__ = ["GeminiDecoder", "GeminiEncoder", "JSONArrayDecoder", "JSONArrayEncoder"]
