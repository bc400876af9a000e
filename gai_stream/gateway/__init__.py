"""A gateway: OpenAI's, Claude's, Gemini's and Ollama's clients, in front of any provider."""

from .app import OnOutcome, Outcome, gateway, gateway_routes
from .limits import Limits
from .routes import Route, Routes

__all__ = ["Limits", "OnOutcome", "Outcome", "Route", "Routes", "gateway", "gateway_routes"]
