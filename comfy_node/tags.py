"""Writes {job id, prompt id} where every saver picks it up, and notes on where they came from.

Needs nothing of ComfyUI, so that the simulator can use `tag_prompt` as it is.
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable
from typing import Any

from .contract import (
    FROM_CLIENT,
    FROM_NODE,
    MAX_ID_LENGTH,
    NOTE_FIRST_PROMPT_ID,
    NOTE_JOB_ID_FROM,
    NOTES,
    TAG_JOB_ID,
    TAG_NODE,
    TAG_NODE_JOB_ID,
    TAG_PROMPT_ID,
    tag_text,
)
from .guard import step_aside

log = logging.getLogger("reconciler.comfy_node")

#: Entry of `extra_data` with the metadata that savers write.
PNGINFO = "extra_pnginfo"


def tag_prompt(body: dict[str, Any]) -> dict[str, Any]:
    """The body of POST /prompt with the tag {job id, prompt id} in its `extra_pnginfo`.

    The job id is `extra_data.job_id`, else `extra_data.extra_pnginfo.job_id`, else what the
    graph's Tag nodes say; without one the tag is the prompt's id alone, which is chosen where the
    client sent none. A body that is not what ComfyUI expects comes back as it is. The argument is
    not changed. Never raises.
    """
    try:
        return _tagged_body(body)
    except Exception as error:
        step_aside("a prompt goes on untagged", error)
        return body


def tag_item(item: Any, was_submitted: Callable[[str], bool]) -> Any:
    """An item on its way into the queue, tagged with its own prompt id.

    Only one that came past POST /prompt is not yet so: a batch manager's follow-up, which carries
    the `extra_data` of the prompt whose node queues it. It keeps the job id and gets a note of the
    first prompt, if `was_submitted` knows that as one. Neither the item nor its `extra_data` is
    changed, since the running prompt uses the same.
    """
    _, prompt_id, graph, extra_data = item[:4]
    tag = tag_text(prompt_id)
    if not isinstance(extra_data, dict) or not isinstance(graph, dict) or tag is None:
        return item
    pnginfo = _dict_or_new(extra_data.get(PNGINFO))
    if pnginfo is None or pnginfo.get(TAG_PROMPT_ID) == tag:
        return item
    first = _first_prompt_id(extra_data, pnginfo, was_submitted)
    if first is None:
        tagged = _tagged(extra_data, pnginfo, graph, tag)
    else:
        notes = {**notes_of(extra_data), NOTE_FIRST_PROMPT_ID: first}
        tagged = {**extra_data, PNGINFO: {**pnginfo, TAG_PROMPT_ID: tag}, NOTES: notes}
    values = (*item[:3], tagged, *item[4:])
    make = getattr(type(item), "_make", type(item))
    return make(values)


def job_id_of(extra_data: object) -> str | None:
    """The job id that a prompt in the queue carries."""
    if not isinstance(extra_data, dict):
        return None
    pnginfo = extra_data.get(PNGINFO)
    in_tag = pnginfo.get(TAG_JOB_ID) if isinstance(pnginfo, dict) else None
    direct = tag_text(extra_data.get(TAG_JOB_ID))
    return direct if direct is not None else tag_text(in_tag)


def prompt_tag_of(extra_data: dict[str, Any]) -> str | None:
    """The prompt id that a prompt in the queue carries; not its own on a batch manager's."""
    pnginfo = extra_data.get(PNGINFO)
    return tag_text(pnginfo.get(TAG_PROMPT_ID)) if isinstance(pnginfo, dict) else None


def notes_of(extra_data: object) -> dict[str, str]:
    """The notes of `extra_data` that are well formed. A client may have sent anything there."""
    notes = extra_data.get(NOTES) if isinstance(extra_data, dict) else None
    if not isinstance(notes, dict):
        return {}
    told = {}
    if notes.get(NOTE_JOB_ID_FROM) in (FROM_CLIENT, FROM_NODE):
        told[NOTE_JOB_ID_FROM] = str(notes[NOTE_JOB_ID_FROM])
    first = tag_text(notes.get(NOTE_FIRST_PROMPT_ID))
    if first is not None:
        told[NOTE_FIRST_PROMPT_ID] = first
    return told


def _tagged_body(body: dict[str, Any]) -> dict[str, Any]:
    graph = body.get("prompt") if isinstance(body, dict) else None
    if not isinstance(graph, dict):
        return body
    extra_data = _dict_or_new(body.get("extra_data"))
    pnginfo = None if extra_data is None else _dict_or_new(extra_data.get(PNGINFO))
    # Absent and null are one: 0.33.0 mints an id for both, 0.3.64 would run null as "None".
    # A canonical lower-case UUID is what 0.33.0 insists on.
    sent = body.get("prompt_id")
    prompt_id = str(uuid.uuid4()) if sent is None else sent
    tag = tag_text(prompt_id)
    if extra_data is None or pnginfo is None or tag is None:
        return body
    extra_data = _tagged(extra_data, pnginfo, graph, tag)
    return {**body, "prompt_id": prompt_id, "extra_data": extra_data}


def _tagged(
    extra_data: dict[str, Any], pnginfo: dict[str, Any], graph: dict[str, Any], prompt_id: str
) -> dict[str, Any]:
    """A copy with tag and notes of this prompt in place of an earlier one's.

    A client that sends an earlier prompt's `extra_data` again sends its tag and notes too. They
    tell which job id was the client's own word, and which we took from a Tag node of that graph.
    """
    relic = notes_of(extra_data).get(NOTE_JOB_ID_FROM) == FROM_NODE
    named = {key: value for key, value in pnginfo.items() if not (relic and key == TAG_JOB_ID)}
    job_id, source = _job_id(extra_data, named, graph)
    if job_id is not None:
        named[TAG_JOB_ID] = job_id
    tagged = {key: value for key, value in extra_data.items() if key != NOTES}
    tagged[PNGINFO] = {**named, TAG_PROMPT_ID: prompt_id}
    if job_id is not None:
        tagged[NOTES] = {NOTE_JOB_ID_FROM: source}
    return tagged


def _first_prompt_id(
    extra_data: dict[str, Any], pnginfo: dict[str, Any], was_submitted: Callable[[str], bool]
) -> str | None:
    """The prompt with which a chain of follow-ups began.

    A tag that was never a prompt's id is no follow-up's: older ComfyUIs run a prompt under an id
    of their own choice.
    """
    before = tag_text(pnginfo.get(TAG_PROMPT_ID))
    if before is None or not was_submitted(before):
        return None
    return notes_of(extra_data).get(NOTE_FIRST_PROMPT_ID, before)


def _dict_or_new(value: object) -> dict[str, Any] | None:
    """The dict; a new one for null or absent; None for what is neither and to be left alone."""
    if value is None:
        return {}
    return value if isinstance(value, dict) else None


def _job_id(
    extra_data: dict[str, Any], pnginfo: dict[str, Any], graph: dict[str, Any]
) -> tuple[str | None, str]:
    """The first usable job id and who named it; each unusable one before it is logged."""
    candidates = (
        ("extra_data.job_id", FROM_CLIENT, extra_data.get(TAG_JOB_ID)),
        ("extra_data.extra_pnginfo.job_id", FROM_CLIENT, pnginfo.get(TAG_JOB_ID)),
        ("the Tag node", FROM_NODE, _tag_node_job_id(graph)),
    )
    for where, source, value in candidates:
        if value is None or value == "":
            continue
        text = tag_text(value)
        if text is not None:
            return text, source
        # The value itself is a stranger's text, and may be megabytes: only its type is told.
        log.warning(
            "reconciler: ignored the job id in %s (%s): use one integer, or one text of 1 to %d "
            "printable characters",
            where,
            type(value).__name__,
            MAX_ID_LENGTH,
        )
    return None, ""


def _tag_node_job_id(graph: dict[str, Any]) -> object:
    """What the graph's Tag nodes say: one id, None, or a list of two, which is no id.

    A prompt has one tag for all its files, so nodes that differ leave nothing to choose by.
    """
    found: list[object] = []
    for node in graph.values():
        if not isinstance(node, dict) or node.get("class_type") != TAG_NODE:
            continue
        inputs = node.get("inputs")
        value = inputs.get(TAG_NODE_JOB_ID) if isinstance(inputs, dict) else None
        if value not in (None, "", *found):
            found.append(value)
        if len(found) > 1:
            return found
    return found[0] if found else None
