"""Anthropic Messages, what Claude and its clients speak: decode and encode."""

from .decoder import AnthropicDecoder
from .encoder import AnthropicEncoder

__all__ = ["AnthropicDecoder", "AnthropicEncoder"]
