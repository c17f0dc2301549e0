"""Share one decode of a source between several renditions."""
