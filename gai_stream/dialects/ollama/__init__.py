"""Ollama's native API, `/api/chat` and `/api/generate`: decode and encode its lines."""

from .decoder import OllamaDecoder
from .encoder import OllamaEncoder

__all__ = ["OllamaDecoder", "OllamaEncoder"]
