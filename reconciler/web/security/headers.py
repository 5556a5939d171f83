"""What every answer tells browsers not to do with it."""

from __future__ import annotations

from starlette.datastructures import MutableHeaders

#: Pages load what is ours and nothing else: no inline script or style, no frame around them.
_PAGE_POLICY = "; ".join((
    "default-src 'none'", "script-src 'self'", "style-src 'self'", "img-src 'self'",
    "media-src 'self'", "font-src 'self'", "connect-src 'self'", "manifest-src 'self'",
    "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'",
))  # fmt: skip
#: Anything else is data, also where it is an output that says it is a page, opened by itself.
_DATA_POLICY = "; ".join((
    "default-src 'none'", "img-src 'self'", "media-src 'self'", "form-action 'none'",
    "base-uri 'none'", "frame-ancestors 'none'", "sandbox",
))  # fmt: skip
_ALWAYS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Not no-referrer: browsers would then send `Origin: null` with our own forms.
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=(), payment=(), usb=()",
}


def secure(headers: MutableHeaders) -> None:
    """Adds what is missing; an endpoint's own caching stands, and a policy of its own."""
    for name, value in _ALWAYS.items():
        headers[name] = value
    is_page = headers.get("content-type", "").startswith("text/html")
    headers.setdefault("Content-Security-Policy", _PAGE_POLICY if is_page else _DATA_POLICY)
    headers.setdefault("Cache-Control", "no-store")
