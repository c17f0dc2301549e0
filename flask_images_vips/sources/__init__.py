"""Find originals: files in local folders, and files fetched from URLs."""
