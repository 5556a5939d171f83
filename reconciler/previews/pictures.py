"""Which picture of which output: what is made of it, what it is called, or why there is none."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import asdict
from enum import StrEnum

from reconciler.core.evidence import FileState
from reconciler.outputs.limits import Limits
from reconciler.outputs.picture import PictureKind, PictureOrder
from reconciler.outputs.text import printable
from reconciler.previews.cache import PictureCache
from reconciler.previews.known_files import KnownFiles, roots_of
from reconciler.previews.maker import PictureMaker
from reconciler.previews.refusals import Damaged, NoPreview, NothingToSee
from reconciler.settings import Settings
from reconciler.settings.previews import PreviewSettings
from reconciler.store.output_ids import KnownOutput

#: A sheet has so many frames, an animation so many at most, in so many seconds.
SHEET_FRAMES = 12
ANIMATION_FRAMES, ANIMATION_S = 32, 4.0
#: Raised whenever the same order makes another picture than before.
PICTURES_VERSION = 1
#: Whoever waits for a preview waits for no film of hours: seconds by the clock, and of processor.
_WALL_S, _CPU_S = 120.0, 180
#: Behind every inspection, also those of other processes.
_NICE = 19
_MAX_REASON_CHARS = 300


class Kind(StrEnum):
    """What can be seen of an output file."""

    THUMBNAIL = "thumbnail"
    SHEET = "sheet"
    ANIMATION = "animation"


class Pictures:
    """Sheets and animations of output files. Thread-safe."""

    def __init__(
        self, settings: Settings, *, stands_back: Callable[[], bool] = lambda: False
    ) -> None:
        """`stands_back` tells whether a verdict waits for an inspection. Nothing is begun before
        somebody asks."""
        self._settings = settings.previews
        self.files = KnownFiles(roots_of(settings))
        folder = settings.data_dir / "previews"
        self._maker = PictureMaker(
            self.files,
            PictureCache(folder, int(settings.previews.cache_bytes)),
            limits_of(settings),
            most_waiting=settings.previews.queue,
            stands_back=stands_back,
        )

    def ask(self, output: KnownOutput, kind: PictureKind) -> bytes | None:
        """The picture; None: it is being made, ask again. Raises NoPreview and OutputError."""
        order = order_for(output, kind, self._settings)
        return self._maker.ask(name_of(output, order), output, order)

    def close(self) -> None:
        """Ends what is being made."""
        self._maker.close()


def limits_of(settings: Settings) -> Limits:
    """As an inspection's, in less time, and with less priority."""
    inspection = settings.inspection
    return Limits(
        wall_s=min(inspection.wall_limit_s, _WALL_S),
        cpu_s=min(round(inspection.cpu_limit_s), _CPU_S),
        memory_bytes=int(inspection.memory_limit_bytes),
        threads=1,
        nice=_NICE,
    )


def order_for(output: KnownOutput, kind: PictureKind, settings: PreviewSettings) -> PictureOrder:
    """What is to be made of this file. Raises NoPreview where nothing can be."""
    is_sheet = kind is PictureKind.SHEET
    if not (settings.sheet if is_sheet else settings.animation):
        raise NoPreview(f"previews.{kind.value} is switched off in the settings")
    insist_visible(output)
    frames, duration_s = output.inspection.get("frames"), output.inspection.get("duration_s")
    moves = isinstance(frames, int) and frames > 1
    if not is_sheet and not moves:
        raise NothingToSee("it is a still: nothing moves in it")
    longest_px = settings.sheet_px if is_sheet else settings.animation_px
    return PictureOrder(
        kind,
        frames=frames if moves and isinstance(frames, int) else 1,
        duration_s=float(duration_s) if isinstance(duration_s, int | float) else None,
        shown=SHEET_FRAMES if is_sheet else ANIMATION_FRAMES,
        longest_px=longest_px if moves else 2 * longest_px,
        lasts_s=ANIMATION_S,
    )


def insist_visible(output: KnownOutput) -> None:
    """Raises NoPreview for a file that is damaged, cannot be decoded, or holds no picture."""
    if output.verdict is FileState.UNSOUND:
        raise Damaged(f"the file is damaged: {_reason(output)}")
    if output.verdict is FileState.UNJUDGED:
        why = str(output.inspection.get("unjudged") or "no decoder")
        raise NothingToSee(f"nothing here can decode it: {printable(why, _MAX_REASON_CHARS)}")
    if output.inspection.get("media") not in ("video", "image"):
        raise NothingToSee("it is sound alone: there is nothing to see")


def name_of(output: KnownOutput, order: PictureOrder) -> str:
    """What the picture is called among those that are kept: by what the file was when inspected."""
    identity = (output.device, output.inode, output.size_bytes, output.mtime_ns)
    told = json.dumps([PICTURES_VERSION, identity, asdict(order)])
    ending = "jpg" if order.kind is PictureKind.SHEET else "webp"
    return f"{hashlib.sha256(told.encode()).hexdigest()[:40]}.{ending}"


def _reason(output: KnownOutput) -> str:
    defects = output.inspection.get("defects")
    listed = defects if isinstance(defects, list) else []
    told = [str(one.get("detail", "")) for one in listed[:3] if isinstance(one, dict)]
    return printable("; ".join(filter(None, told)) or "see its inspection", _MAX_REASON_CHARS)
