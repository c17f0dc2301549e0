"""Keep results on disk, and make each of them only once per host. Nothing here depends on what the results are."""
