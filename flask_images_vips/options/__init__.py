"""The options of a rendition: their declarations, types, presets and transforms."""
