"""What may a page of the playground load? Only its own files: no inline script, and no style without the nonce."""

from __future__ import annotations

import secrets

from flask import Flask, Response, g

_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; style-src 'self'{}; object-src 'none'; base-uri 'none'; "
    "form-action 'self'; frame-ancestors 'self'"
)


def add_to(app: Flask) -> None:
    """Send the policy with each page of *app*. Templates may call ``csp_nonce()`` for a ``<style>`` element."""
    app.jinja_env.globals["csp_nonce"] = csp_nonce
    app.after_request(_send)


def csp_nonce() -> str:
    """Return the nonce of this response, which its policy then contains."""
    if "csp_nonce" not in g:
        g.csp_nonce = secrets.token_urlsafe(12)
    nonce: str = g.csp_nonce
    return nonce


def _send(response: Response) -> Response:
    if response.mimetype == "text/html":
        nonce = f" 'nonce-{g.csp_nonce}'" if "csp_nonce" in g else ""
        response.headers["Content-Security-Policy"] = _POLICY.format(nonce)
        response.headers["X-Content-Type-Options"] = "nosniff"
        response.headers["Referrer-Policy"] = "same-origin"
    return response
