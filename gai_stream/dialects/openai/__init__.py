"""OpenAI Chat Completions, and the many servers that speak it with an accent: decode and encode."""

from .decoder import OpenAIDecoder
from .encoder import OpenAIEncoder
from .errors import provider_error

__all__ = ["OpenAIDecoder", "OpenAIEncoder", "provider_error"]
