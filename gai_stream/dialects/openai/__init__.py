"""OpenAI Chat Completions, and the many servers that speak it with an accent: decode and encode."""

from gai_stream.dialects._errors import provider_error

from .completion import completion_as_chunk
from .decoder import OpenAIDecoder
from .encoder import OpenAIEncoder

__all__ = ["OpenAIDecoder", "OpenAIEncoder", "completion_as_chunk", "provider_error"]
