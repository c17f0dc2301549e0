"""Let nginx send images, with or without asking the application first."""
