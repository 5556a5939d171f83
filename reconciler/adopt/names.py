"""What columns are called elsewhere: names of applications, best first."""

from __future__ import annotations

import re
from collections.abc import Sequence

_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_BETWEEN = re.compile(r"[^a-z0-9]+")

STATUS = ("status", "state", "job_status", "job_state", r"\w*_status", r"\w*_state", "phase")
PROMPT_ID = (
    "comfyui_job_id",
    "comfyui_prompt_id",
    "comfy_prompt_id",
    "comfy_job_id",
    r"comfy(ui)?_?(id|uuid)",
    "prompt_(id|uuid)",
    # Not comfyui_client_id, whose values are UUIDs too.
    r"comfy(ui)?_(?!\w*(client|server|workflow|node|user|worker|host))\w*(id|uuid|prompt|job)",
    "promptid|promptuuid",
)
#: Names that may hold anybody's ids: told, and never taken.
PROMPT_ID_MAYBE = (r"(external|remote|task|run|render|queue|request|generation)_(\w+_)?(id|uuid)",)
JOB_TYPE = ("job_type", "type", "kind", "task_type", "workflow_type", "jobtype")
FRAMES = (
    "frames",
    "frame_count",
    "(num|n|nr|number_of|total|video)_frames",
    "framecount|numframes|frames_count",
)
PROGRESS = (
    "progress",
    "progress_(percent|percentage|pct)|percent_(complete|done)",
    "progress_(fraction|ratio)",
    "percent|percentage|pct",
    "completion",
)
OUTPUT_PATH = (
    "output_path",
    "result_path",
    "output_(file|filename|file_path)|result_file",
    "video_path",
    "(file|image)_path",
    "(output|result|video)_ur[il]",
    "output|result|video_file",
    "outputpath|resultpath",
)
ERROR = (
    "error",
    "error_(message|msg|text)",
    "(failure|fail|error)_reason",
    "(last|job)_error",
    "error_details?|errormessage|failure|failure_message",
)
CREATED_AT = (
    "created_at|createdat|date_created",
    "created|created_on|creation_time|create_time|created_time",
    "(inserted|submitted|enqueued|queued)_at",
)
UPDATED_AT = (
    "updated_at|updatedat|date_updated",
    "updated|updated_on|update_time|updated_time",
    "(modified|changed)_(at|on)|last_(updated|modified|update)(_at)?|date_modified",
)
COMPLETED_AT = (
    "completed_at|completedat|date_completed",
    "(finished|ended|done)_at|finishedat|endedat",
    "(completion|end|finish|finished|completed)_time|completed_on|completed|finished",
)
SERVER = ("server", "server_name|comfyui_server|comfy_server", "gpu|gpu_name|gpu_host|worker|host")


def normal(name: str) -> str:
    """A name as these lists have it: comfyUIJobId is comfyui_job_id."""
    words = _BETWEEN.sub("_", _CAMEL.sub("_", name).lower()).strip("_")
    return words.replace("comfy_ui", "comfyui")


def rank(name: str, patterns: Sequence[str]) -> int | None:
    """The place of the first pattern that is the whole name; None where none is."""
    known = normal(name)
    return next((n for n, p in enumerate(patterns) if re.fullmatch(p, known)), None)
