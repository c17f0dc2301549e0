"""Render pictures: one engine uses libvips, the other Pillow."""
