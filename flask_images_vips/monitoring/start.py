"""Start the monitoring that the configuration of an application asks for. Only that is imported."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flask import Blueprint, Flask

from ..config.keys import Config, read_key
from ..errors import ConfigError

if TYPE_CHECKING:
    from ..state import AppImages
    from .families import Meter

_VIEW = "metrics"


def add_view(app: Flask, blueprint: Blueprint, host: str | None) -> None:
    """Add the view of ``IMAGES_METRICS`` to *blueprint*, if that is a path. It is served at *host*."""
    path = read_key("IMAGES_METRICS", app.config)
    if isinstance(path, str):
        from .prometheus import view  # noqa: PLC0415

        blueprint.add_url_rule(path, _VIEW, view(app), host=host)


def check_monitoring(config: Config) -> None:
    """Check that what *config* asks for can be imported.

    Raises:
        ConfigError: If not.
    """
    if config.metrics:
        from .prometheus import check_prometheus  # noqa: PLC0415

        check_prometheus()
    if config.opentelemetry:
        from .telemetry import check_opentelemetry  # noqa: PLC0415

        check_opentelemetry()


def check_view(app: Flask, config: Config, blueprint: str) -> None:
    """Check that the view of ``IMAGES_METRICS`` has been added to the *blueprint*.

    Raises:
        ConfigError: If it was set too late.
    """
    if isinstance(config.metrics, str) and f"{blueprint}.{_VIEW}" not in app.view_functions:
        message = "came too late for Images.init_app(app), which adds the view. Set it before."
        raise ConfigError(f"IMAGES_METRICS = {config.metrics!r} {message}")


def is_timed(config: Config) -> bool:
    """Return whether `start` needs the phases of every request."""
    return config.server_timing or config.opentelemetry or bool(config.metrics)


def start(config: Config, images: AppImages) -> None:
    """Follow the events of *images* from now on, as *config* says."""
    meters: list[Meter] = []
    if config.metrics:
        from .prometheus import SumsMeter  # noqa: PLC0415

        meters.append(SumsMeter(images))
    if config.opentelemetry:
        from .telemetry import Spans, TelemetryMeter  # noqa: PLC0415

        meters.append(TelemetryMeter())
        Spans().follow(images.events)
    if meters:
        from .measure import Measures  # noqa: PLC0415

        Measures(images.app, meters).follow(images.events)
    if config.server_timing:
        from .server_timing import add_server_timing  # noqa: PLC0415

        add_server_timing(images.events)
