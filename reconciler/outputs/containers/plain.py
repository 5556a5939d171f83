"""Formats whose structure is left to their decoder: mp3, MPEG-TS, bmp, tiff."""

from __future__ import annotations

from reconciler.outputs.containers.base import Source, Structure


def check_sound(source: Source) -> Structure:
    """Sound alone, nothing checked."""
    return Structure(has_video=False)


def check_picture(source: Source) -> Structure:
    """A still, nothing checked."""
    return Structure(has_video=False)


def check_video(source: Source) -> Structure:
    """A video, nothing checked."""
    return Structure()
