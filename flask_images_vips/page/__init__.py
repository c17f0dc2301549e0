"""Build the URLs, sizes, tags and links that a page needs for its images."""
