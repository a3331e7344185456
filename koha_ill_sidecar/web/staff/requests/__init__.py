"""Pages on requests."""
