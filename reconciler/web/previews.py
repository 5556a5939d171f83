"""How previews are answered: a picture, or why there is none, so that an `<img>` shows it, too."""

from __future__ import annotations

import hashlib
from pathlib import PurePosixPath

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from reconciler.errors import ReconcilerError
from reconciler.outputs.siblings import main_of
from reconciler.previews import refusals
from reconciler.previews.pictures import insist_visible
from reconciler.previews.placeholder import MEDIA_TYPE, placeholder
from reconciler.store import Store
from reconciler.store.output_ids import KnownOutput, OutputFinder
from reconciler.store.views import JobView
from reconciler.web.context import WebContext
from reconciler.web.problems import Problem, problem_json

#: When to ask again, in seconds: for what is being made, and for what cannot be had now.
SOON_S, LATER_S = 1, 30
#: One address answers an `<img>` and a program.
_VARY = {"vary": "Accept"}
#: By the kind of refusal: status and title. The first that fits counts.
_REFUSALS: tuple[tuple[type[ReconcilerError], int, str], ...] = (
    (refusals.Gone, 410, "Gone"),
    (refusals.Replaced, 409, "Changed"),
    (refusals.Elsewhere, 404, "On another host"),
    (refusals.StorageAway, 503, "Storage away"),
    (refusals.TooMany, 503, "Busy"),
    (refusals.NotMade, 503, "Not made"),
    (refusals.Damaged, 404, "Damaged"),
    (refusals.NoPreview, 404, "No preview"),
)


def refusal_of(error: ReconcilerError) -> tuple[int, str]:
    """Status and title of a refusal."""
    for kind, status, title in _REFUSALS:
        if isinstance(error, kind):
            return status, title
    return 404, "Not readable"


def refused(request: Request, error: ReconcilerError) -> Response:
    """Why there is none: as a picture where one was asked for, else as a problem."""
    status, title = refusal_of(error)
    headers = {"retry-after": str(LATER_S)} if status == 503 else {}
    headers |= {"cache-control": "no-store"}
    if wants_picture(request):
        return Response(
            placeholder(title, str(error)), status, {**_VARY, **headers}, media_type=MEDIA_TYPE
        )
    return problem_json(Problem(status, str(error), headers=headers))


def being_made(request: Request) -> Response:
    """202: ask again."""
    headers = {"retry-after": str(SOON_S), "cache-control": "no-store", **_VARY}
    if wants_picture(request):
        words = placeholder("Being made", "the picture is there in a moment")
        return Response(words, 202, headers, media_type=MEDIA_TYPE)
    told = {"status": "being made", "retry_after_s": SOON_S}
    return JSONResponse(told, 202, headers)


def shown(request: Request, picture: bytes, *, lasting: bool = True) -> Response:
    """The picture; not sent again to who has it. Not `lasting`: the next is another."""
    if not lasting:
        return Response(picture, 200, {**_VARY, "cache-control": "no-store"}, _type(picture))
    etag = f'"{hashlib.sha256(picture).hexdigest()[:32]}"'
    headers = {**_VARY, "cache-control": "private, no-cache", "etag": etag}
    if request.headers.get("if-none-match") == etag:
        return Response(None, 304, headers)
    return Response(picture, 200, headers, _type(picture))


def wants_picture(request: Request) -> bool:
    """True for a browser's `<img>`; programs are told why in JSON."""
    return "image/" in request.headers.get("accept", "")


def thumbnail_of(context: WebContext, output: KnownOutput) -> bytes:
    """The thumbnail that the inspection took. Raises NoPreview."""
    with context.stores.one() as store:
        picture = OutputFinder(store.connection).thumbnail(output.id)
    if picture is None:
        insist_visible(output)
        raise refusals.NoPreview(
            "no thumbnail is kept: old ones go after retention.thumbnails_days"
        )
    return picture


def main_output(store: Store, job: JobView) -> KnownOutput | None:
    """The file that the row points at; else the one of the job's files that a user wants."""
    finder = OutputFinder(store.connection)
    outputs = finder.of_job(job.id) or finder.listed_by(job.id)
    if job.output_path is not None:
        name = PurePosixPath(job.output_path.replace("\\", "/")).name
        outputs = [one for one in outputs if one.path.name == name] or outputs
    main = main_of([str(output.path) for output in outputs])
    return None if main is None else outputs[main]


def running_prompt(store: Store, job: JobView) -> tuple[str, str] | None:
    """Server and id of the prompt that runs for the job, the last of several; None where none
    does. A batch manager's is another than the row's."""
    if not job.is_open:
        return None
    prompts = [one for one in store.views.prompts(job.id) if one.ending is None and one.server]
    running = [one for one in prompts if one.running_since is not None]
    if running:
        return str(running[-1].server), running[-1].prompt_id
    return None if job.server is None or job.prompt_id is None else (job.server, job.prompt_id)


def _type(picture: bytes) -> str:
    if picture.startswith(b"\xff\xd8"):
        return "image/jpeg"
    return "image/png" if picture.startswith(b"\x89PNG") else "image/webp"
