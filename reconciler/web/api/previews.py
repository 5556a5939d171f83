"""Previews of outputs, and of a job that runs: pictures, or why there is none."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Query, Request, Response

from reconciler.errors import OutputError
from reconciler.outputs.picture import PictureKind
from reconciler.previews.refusals import NoPreview
from reconciler.store.output_ids import KnownOutput, OutputFinder
from reconciler.web.context import Context, WebContext
from reconciler.web.previews import (
    being_made,
    main_output,
    refused,
    running_prompt,
    shown,
    thumbnail_of,
)
from reconciler.web.security.access import Reader

router = APIRouter(prefix="/api/v1", tags=["previews"])

MOST_ID_CHARS = 200
OutputId = Annotated[str, Path(max_length=64, description="As `id` in the list of outputs.")]
_JPEG: dict[str, Any] = {"image/jpeg": {}, "image/webp": {}}
_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The picture.", "content": _JPEG},
    202: {"description": "It is being made: ask again after `Retry-After` seconds."},
    404: {"description": "There is none; the answer says why, to an `<img>` as a picture."},
    409: {"description": "The file was changed since it was inspected."},
    410: {"description": "The file is not there any more."},
}


class JobPreview(StrEnum):
    """What can be seen of a job."""

    THUMBNAIL = "thumbnail"
    SHEET = "sheet"
    ANIMATION = "animation"
    #: What the sampler shows while it runs.
    LIVE = "live"


Kind = Annotated[JobPreview, Query(description="`live`: what the sampler shows while it runs.")]


@router.get("/jobs/{job_id:path}/preview", responses=_ANSWERS, response_class=Response)
def job_preview(
    request: Request,
    context: Context,
    caller: Reader,
    job_id: Annotated[str, Path(max_length=MOST_ID_CHARS)],
    kind: Kind = JobPreview.THUMBNAIL,
) -> Response:
    """A picture of the job's main output, or of what it is doing now."""
    with context.stores.one() as store:
        job = store.views.one(job_id)
        if job is None:
            raise HTTPException(404, "There is no job of this id.")
        if kind is JobPreview.LIVE:
            running = running_prompt(store, job)
            return _told(request, lambda: _live(request, context, running))
        output = main_output(store, job)
    if output is None:
        return refused(request, NoPreview("the job has no output file so far"))
    return _preview(request, context, output, kind)


@router.get("/outputs/{output_id}/thumbnail", responses=_ANSWERS, response_class=Response)
def thumbnail(request: Request, context: Context, caller: Reader, output_id: OutputId) -> Response:
    """Its first picture, as JPEG: it came with the inspection."""
    return _preview(request, context, _output(context, output_id), JobPreview.THUMBNAIL)


@router.get("/outputs/{output_id}/sheet", responses=_ANSWERS, response_class=Response)
def sheet(request: Request, context: Context, caller: Reader, output_id: OutputId) -> Response:
    """Twelve frames evenly over the film, as JPEG; a still is shown larger."""
    return _preview(request, context, _output(context, output_id), JobPreview.SHEET)


@router.get("/outputs/{output_id}/animation", responses=_ANSWERS, response_class=Response)
def animation(request: Request, context: Context, caller: Reader, output_id: OutputId) -> Response:
    """The film in four seconds at most, as animated WebP."""
    return _preview(request, context, _output(context, output_id), JobPreview.ANIMATION)


def _output(context: WebContext, output_id: str) -> KnownOutput:
    with context.stores.one() as store:
        output = OutputFinder(store.connection).one(output_id)
    if output is None:
        raise HTTPException(404, "There is no output of this id.")
    return output


def _preview(
    request: Request, context: WebContext, output: KnownOutput, kind: JobPreview
) -> Response:
    if kind is JobPreview.THUMBNAIL:
        return _told(request, lambda: shown(request, thumbnail_of(context, output)))
    order = PictureKind(kind.value)

    def ask() -> Response:
        picture = context.pictures.ask(output, order)
        return being_made(request) if picture is None else shown(request, picture)

    return _told(request, ask)


def _live(request: Request, context: WebContext, running: tuple[str, str] | None) -> Response:
    if running is None:
        raise NoPreview("the job does not run: there is nothing to watch")
    if context.sampling is None:
        raise NoPreview(
            "live previews are with the agent that watches the server: open its own page; this"
            " process only reads the database"
        )
    picture = context.sampling.ask(*running)
    return being_made(request) if picture is None else shown(request, picture, lasting=False)


def _told(request: Request, answer: Callable[[], Response]) -> Response:
    """The answer, or why there is none."""
    try:
        return answer()
    except (NoPreview, OutputError) as error:
        return refused(request, error)
