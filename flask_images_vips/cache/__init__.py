"""Keep results on disk, each made once per host. The cache does not know that they are images."""
