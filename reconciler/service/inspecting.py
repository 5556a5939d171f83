"""What the settings say of inspections: apart from the rest, which `reconciler check` needs not."""

from __future__ import annotations

from reconciler.outputs.limits import Limits
from reconciler.settings import Settings


def limits_of(settings: Settings) -> Limits:
    """The limits of an inspection."""
    inspection = settings.inspection
    return Limits(
        wall_s=inspection.wall_limit_s,
        cpu_s=round(inspection.cpu_limit_s),
        memory_bytes=int(inspection.memory_limit_bytes),
        threads=inspection.threads,
        nice=inspection.nice,
        thumbnail_px=inspection.thumbnail_px,
    )
