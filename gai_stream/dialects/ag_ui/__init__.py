"""AG-UI, the event protocol between agents and user interfaces, as @ag-ui/client reads it."""

from .decoder import AGUIDecoder
from .encoder import AGUIEncoder

__all__ = ["AGUIDecoder", "AGUIEncoder"]
