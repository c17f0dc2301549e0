"""Accept the pictures that people upload: check them, prepare them for the web, and store them."""
