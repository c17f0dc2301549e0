"""Start the monitoring that the configuration of an application asks for."""

from __future__ import annotations

from ..config.keys import Config
from ..events import Events
from .server_timing import add_server_timing


def is_timed(config: Config) -> bool:
    """Return whether `start` needs the phases of every request."""
    return config.server_timing


def start(config: Config, events: Events) -> None:
    """Follow *events* from now on, as *config* says."""
    if config.server_timing:
        add_server_timing(events)
