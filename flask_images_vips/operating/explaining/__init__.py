"""Explain an image URL: who signed it, what it asks for, how it is rendered, and how it is answered."""
