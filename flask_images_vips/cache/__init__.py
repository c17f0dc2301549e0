"""Where are results kept? The cache does not know that it holds images."""
