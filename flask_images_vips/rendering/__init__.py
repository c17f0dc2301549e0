"""How does a plan become bytes? A pure job: no cache, no Flask."""
