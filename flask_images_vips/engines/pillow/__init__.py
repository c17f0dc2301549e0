"""Render pictures with Pillow."""
