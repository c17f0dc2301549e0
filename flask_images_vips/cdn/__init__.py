"""Caches in front of a site: CDNs and Varnish. How responses are tagged for them, and how they are purged."""
