"""Answer image requests."""
