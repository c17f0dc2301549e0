"""Render pictures with libvips."""

import os

# libvips reads these as it starts, so they are set before pyvips is imported. VIPS_UNLIMITED would lift the limits of
# its loaders; VIPS_WARNING keeps its warnings off stderr.
os.environ.pop("VIPS_UNLIMITED", None)
os.environ.setdefault("VIPS_WARNING", "0")
