"""The wire vocabularies: one file is one dialect, both directions. `registry` finds them by name."""
