"""The Vercel AI SDK's UI message stream, v1, as `useChat` of ai 5, 6 and 7 reads it: decode and encode."""

from .decoder import VercelDecoder
from .encoder import VercelEncoder

__all__ = ["VercelDecoder", "VercelEncoder"]
