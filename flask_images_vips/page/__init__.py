"""Tell a page about its pictures: URLs, sizes, tags and links."""
