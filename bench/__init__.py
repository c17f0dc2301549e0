"""Benchmarks of this package against other renderers and image servers."""
