"""Make the screens of docs/operating/screens.md: what terminals and browsers show, by running it."""
