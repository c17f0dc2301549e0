"""Serve image requests."""
