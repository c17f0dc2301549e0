"""Let nginx answer image requests without asking the application."""
