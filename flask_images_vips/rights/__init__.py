"""Read who made a picture and who may use it, and write that, and nothing else, into another file."""
