"""The demo: a chat page that reads one answer over SSE and NDJSON side by side, and the endpoints behind it."""
