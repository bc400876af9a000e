"""Test streams without a server: an ASGI client that really streams, every way to cut bytes, a source that fails."""

from .client import ASGIClient
from .faults import FailingSource, every_split, failing_source, random_cuts
from .response import ClientResponse, Headers, Sent

__all__ = [
    "ASGIClient",
    "ClientResponse",
    "FailingSource",
    "Headers",
    "Sent",
    "every_split",
    "failing_source",
    "random_cuts",
]
