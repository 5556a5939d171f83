"""What the settings say of inspections: apart from the rest, which `reconciler check` needs not."""

from __future__ import annotations

from reconciler.outputs.limits import Limits
from reconciler.outputs.wanted import Wanted
from reconciler.settings import Settings
from reconciler.settings.expectations import looked_for


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


def wanted_of(settings: Settings) -> Wanted:
    """What the settings want to know of content: what is ignored costs nothing."""
    flags = looked_for(settings.content, settings.expectations.rules)
    return Wanted(
        black="black" in flags,
        frozen_s=settings.content.frozen_s if "frozen" in flags else None,
        silent="silent" in flags,
        near_empty="near_empty" in flags,
    )
