"""Find out what is wrong with the images of a page, from its HTML alone: nothing is rendered or fetched."""
