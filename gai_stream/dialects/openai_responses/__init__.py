"""OpenAI Responses, and the servers that speak it too: decode and encode."""

from .decoder import OpenAIResponsesDecoder
from .encoder import OpenAIResponsesEncoder

__all__ = ["OpenAIResponsesDecoder", "OpenAIResponsesEncoder"]
