"""Why there is no preview, each in words for whoever asks."""

from __future__ import annotations

from reconciler.errors import OutputError, ReconcilerError


class NoPreview(ReconcilerError):
    """There is none, and there will be none as long as the file is what it is."""


class NothingToSee(NoPreview):
    """What it holds cannot be seen, or does not move."""


class Damaged(NoPreview):
    """The inspection found it damaged."""


class NotMade(NoPreview):
    """It could not be made; somebody may ask again later."""


class TooMany(NoPreview):
    """As many as may wait are waiting."""


class Gone(OutputError):
    """The file was deleted or moved."""


class Replaced(OutputError):
    """Another file has its name now, or it was written to."""


class Elsewhere(OutputError):
    """The file lies where this process cannot see it."""


class StorageAway(OutputError):
    """Whether the file is there cannot be said now."""
