"""What does a template say about a picture? URLs, sizes and tags."""
