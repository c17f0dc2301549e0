"""Find out what is wrong with a site's images: the checks of ``flask images check``, a module for each subject."""
