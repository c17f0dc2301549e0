"""Record what is asked for, rendered and refused, in a small folder of the cache."""
