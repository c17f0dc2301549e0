"""Render one source with a given layout into the bytes of a file. This needs no cache and no Flask."""
