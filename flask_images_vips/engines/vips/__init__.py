"""Render pictures with libvips."""

import os

# libvips reads these variables when it starts, so set them before pyvips is imported. VIPS_UNLIMITED would lift the
# limits of libvips' loaders. VIPS_WARNING keeps warnings off stderr.
os.environ.pop("VIPS_UNLIMITED", None)
os.environ.setdefault("VIPS_WARNING", "0")
