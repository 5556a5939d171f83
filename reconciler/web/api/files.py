"""The output files themselves: those that were inspected, as they were, and no others."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Path, Response

from reconciler.errors import OutputError
from reconciler.store.output_ids import KnownOutput, OutputFinder
from reconciler.web.context import Context, WebContext
from reconciler.web.file_answer import MOST_FILES, FileAnswer
from reconciler.web.file_types import media_type, shown_name
from reconciler.web.previews import LATER_S, refusal_of
from reconciler.web.security.access import Reader

router = APIRouter(prefix="/api/v1", tags=["outputs"])

_ANSWERS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The file.", "content": {"application/octet-stream": {}}},
    206: {"description": "The bytes that `Range` asks for."},
    304: {"description": "`If-None-Match` names the file as it is."},
    404: {"description": "No such output, or its file lies on another host."},
    409: {"description": "The file was changed since it was inspected."},
    410: {"description": "The file is not there any more."},
    416: {"description": "The file has no byte in that range."},
    503: {"description": "Too many files are being sent, or the storage does not answer."},
}


@router.get("/outputs/{output_id}/file", responses=_ANSWERS, response_class=Response)
def file(
    context: Context,
    caller: Reader,
    output_id: Annotated[str, Path(max_length=64, description="As `id` in the list of outputs.")],
) -> Response:
    """The file, whole or in ranges, as long as it is the one that was inspected."""
    with context.stores.one() as store:
        output = OutputFinder(store.connection).one(output_id)
    if output is None:
        raise HTTPException(404, "There is no output of this id.")
    return _sent(context, output)


def _sent(context: WebContext, output: KnownOutput) -> FileAnswer:
    room = context.file_room
    if not room.files.acquire(blocking=False):
        busy = f"As many files as may be, {MOST_FILES}, are being sent: ask again in a while."
        raise HTTPException(503, busy, {"retry-after": str(LATER_S)})
    try:
        opened = context.pictures.files.open(output)
    except BaseException as error:
        room.files.release()
        if isinstance(error, OutputError):
            raise _refused(error) from error
        raise
    return FileAnswer(
        opened,
        etag_of(output),
        media_type(output),
        {"content-disposition": shown_name(output), "cache-control": "private, no-cache"},
        readers=room.readers,
        on_end=room.files.release,
    )


def etag_of(output: KnownOutput) -> str:
    """What names the file as it was inspected."""
    return f'"{output.inode:x}-{output.size_bytes:x}-{output.mtime_ns:x}"'


def _refused(error: OutputError) -> HTTPException:
    status, _ = refusal_of(error)
    headers = {"retry-after": str(LATER_S)} if status == 503 else None
    return HTTPException(status, str(error), headers)
