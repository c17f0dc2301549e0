"""Find sources: the original files, in local folders or fetched from URLs."""
