"""Plan the move of a site from Flask-Images to this package."""
