"""The commands ``flask images``, each in a module of its own name."""
