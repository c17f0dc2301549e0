"""Pixels by libvips."""
