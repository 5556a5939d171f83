"""POST /prompt → tags: writes the job id where every saver picks it up.

Needs nothing of ComfyUI, so that the simulator can use `tag_prompt` as it is.
"""

from __future__ import annotations

import logging
import sys
import uuid
from typing import Any

from .contract import (
    MAX_ID_LENGTH,
    TAG_JOB_ID,
    TAG_NODE,
    TAG_NODE_JOB_ID,
    TAG_PROMPT_ID,
    tag_text,
)

log = logging.getLogger("reconciler.comfy_node")

#: Kinds of our own faults that were logged: a broken hook must not flood ComfyUI's log.
_told: set[str] = set()


def register() -> bool:
    """Has ComfyUI pass every POST /prompt through `tag_prompt`. False where there is no ComfyUI.

    `server` is looked up and never imported: ComfyUI has loaded it before its custom nodes, and
    elsewhere a module of that name is somebody else's program.
    """
    instance = getattr(getattr(sys.modules.get("server"), "PromptServer", None), "instance", None)
    if instance is None:
        return False
    try:
        instance.add_on_prompt_handler(tag_prompt)
    except Exception as error:
        _step_aside("prompts are not tagged: the prompt handler could not be added", error)
        return False
    log.info("reconciler: node pack loaded, prompts that name a job id are tagged with it")
    return True


def tag_prompt(body: dict[str, Any]) -> dict[str, Any]:
    """The body of POST /prompt with the tag {job id, prompt id} in its `extra_pnginfo`.

    The job id is `extra_data.job_id`, else `extra_data.extra_pnginfo.job_id`, else what the
    graph's Tag nodes say. With it the tag needs the prompt's id, so one is chosen where the client
    sent none. A body that names no job id, or that is not what ComfyUI expects, comes back as it
    is. The argument is not changed. Never raises.
    """
    try:
        return _tagged(body)
    except Exception as error:
        _step_aside("a prompt goes on untagged", error)
        return body


def _tagged(body: dict[str, Any]) -> dict[str, Any]:
    if not isinstance(body, dict):
        return body
    extra_data = _dict_or_new(body.get("extra_data"))
    pnginfo = None if extra_data is None else _dict_or_new(extra_data.get("extra_pnginfo"))
    if extra_data is None or pnginfo is None:
        return body
    job_id = _job_id(extra_data, pnginfo, body.get("prompt"))
    # Absent and null are one: 0.33.0 mints an id for both, 0.3.64 would run null as "None".
    # A canonical lower-case UUID is what 0.33.0 insists on.
    sent = body.get("prompt_id")
    prompt_id = str(uuid.uuid4()) if sent is None else sent
    prompt_tag = tag_text(prompt_id)
    if job_id is None or prompt_tag is None:
        return body
    # Always both: a client that sends an earlier prompt's `extra_data` again sends its tag too.
    pnginfo = {**pnginfo, TAG_JOB_ID: job_id, TAG_PROMPT_ID: prompt_tag}
    extra_data = {**extra_data, "extra_pnginfo": pnginfo}
    return {**body, "prompt_id": prompt_id, "extra_data": extra_data}


def _dict_or_new(value: object) -> dict[str, Any] | None:
    """The dict; a new one for null or absent; None for what is neither and to be left alone."""
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


def _job_id(extra_data: dict[str, Any], pnginfo: dict[str, Any], graph: object) -> str | None:
    """The first usable job id; each unusable one before it is logged."""
    candidates = (
        ("extra_data.job_id", extra_data.get("job_id")),
        ("extra_data.extra_pnginfo.job_id", pnginfo.get(TAG_JOB_ID)),
        ("the Tag node", _tag_node_job_id(graph)),
    )
    for where, value in candidates:
        if value is None or value == "":
            continue
        text = tag_text(value)
        if text is not None:
            return text
        # The value itself is a stranger's text, and may be megabytes: only its type is told.
        log.warning(
            "reconciler: ignored the job id in %s (%s): use one integer, or one text of 1 to %d "
            "printable characters",
            where,
            type(value).__name__,
            MAX_ID_LENGTH,
        )
    return None


def _tag_node_job_id(graph: object) -> object:
    """What the graph's Tag nodes say: one id, None, or the list of several, which is no id.

    A prompt has one tag for all its files, so nodes that differ leave nothing to choose by.
    """
    found: list[object] = []
    for node in graph.values() if isinstance(graph, dict) else ():
        if not isinstance(node, dict) or node.get("class_type") != TAG_NODE:
            continue
        inputs = node.get("inputs")
        value = inputs.get(TAG_NODE_JOB_ID) if isinstance(inputs, dict) else None
        if value not in (None, "", *found):
            found.append(value)
    if len(found) > 1:
        return found
    return found[0] if found else None


def _step_aside(consequence: str, error: Exception) -> None:
    kind = type(error).__name__
    if kind not in _told:
        _told.add(kind)
        log.warning("reconciler: %s; please report this", consequence, exc_info=error)
