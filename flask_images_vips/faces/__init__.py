"""Find faces, so that a crop keeps them."""
