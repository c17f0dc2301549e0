"""Pixels by Pillow."""
