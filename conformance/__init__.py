"""Every recorded stream, served in every dialect, and read by that dialect's real client: `python -m conformance`."""
