"""What does ``flask --app flask_images_vips.demo run`` print first, and which server does it start?"""

from __future__ import annotations


def take_over() -> None:
    """If this process is ``flask run``, print what to try, and serve with waitress."""
