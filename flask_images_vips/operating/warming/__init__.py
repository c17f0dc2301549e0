"""Find the renditions that a site will be asked for, and render them before that: ``flask images warm``."""
