"""A picture in the place of one that is not there: it says why, in words."""

from __future__ import annotations

import textwrap
from xml.sax.saxutils import escape

from reconciler.outputs.text import printable

MEDIA_TYPE = "image/svg+xml"
_WIDTH, _HEIGHT, _LINE = 320, 180, 18
_MAX_LINES, _LINE_CHARS = 6, 40


def placeholder(title: str, reason: str) -> bytes:
    """An SVG with these words, as text and nothing else.

    The colors have contrast enough on a light page and on a dark one: it brings its own ground.
    """
    title, reason = printable(title, _LINE_CHARS), printable(reason, 2000)
    lines = textwrap.wrap(
        reason, _LINE_CHARS, max_lines=_MAX_LINES, placeholder=" …", break_on_hyphens=False
    )
    top = (_HEIGHT - _LINE * (len(lines) + 1)) // 2 + _LINE
    spans = [
        f'<text x="{_WIDTH // 2}" y="{top + _LINE * n}" font-size="13" fill="#d5d5d5">'
        f"{escape(line)}</text>"
        for n, line in enumerate(lines, start=1)
    ]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}"'
        f' viewBox="0 0 {_WIDTH} {_HEIGHT}" font-family="sans-serif" text-anchor="middle"'
        f' role="img"><title>{escape(title)}: {escape(reason)}</title>'
        f'<rect width="{_WIDTH}" height="{_HEIGHT}" fill="#2b2b2b"/>'
        f'<text x="{_WIDTH // 2}" y="{top}" font-size="15" font-weight="bold" fill="#ffffff">'
        f"{escape(title)}</text>{''.join(spans)}</svg>"
    ).encode()
