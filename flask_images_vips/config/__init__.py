"""The configuration of an application: its keys and their checks."""
