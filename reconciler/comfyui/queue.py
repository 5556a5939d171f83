"""What GET /queue and GET /api/jobs say. Strict about which prompts there are, lenient about them.

A prompt that cannot be identified would make a live job look absent, so it raises `Misshapen`:
no evidence is better than wrong evidence.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import islice
from sys import intern

from comfy_node.contract import NOTE_FIRST_PROMPT_ID, NOTE_JOB_ID_FROM, NOTES, TAG_JOB_ID, tag_text
from reconciler.comfyui.fields import MAX_ID_CHARS, Misshapen, items, mapping, number, seconds, text
from reconciler.comfyui.values import Look, QueuedPrompt
from reconciler.comfyui.works import WORKS

_MAX_WORD_CHARS = 200
#: Nodes of a graph whose types are kept.
_MAX_NODES = 5_000


def look_of_queue(answer: object) -> Look:
    """The queue as GET /queue shows it. Raises `Misshapen`."""
    queue = mapping(answer)
    lists: list[list[QueuedPrompt]] = []
    for key in ("queue_running", "queue_pending"):
        if not isinstance(queue.get(key), list):
            raise Misshapen(f"{key!r} is missing or no list")
        lists.append([queued_prompt(item, f"{key}[{n}]") for n, item in enumerate(queue[key])])
    return Look(tuple(lists[0]), in_order(lists[1]))


def queued_prompt(item: object, where: str, prompt_id: str | None = None) -> QueuedPrompt:
    """An item `[number, prompt_id, graph, extra_data, output_nodes, …]` of queue or history.

    What follows differs between versions and is ignored. A `prompt_id` that is already known, as
    history's key is, spares the item's own. Raises `Misshapen` where there is no id.
    """
    parts = [*items(item), *[None] * 5]
    known = prompt_id or text(parts[1], MAX_ID_CHARS)
    if not known:
        raise Misshapen(f"{where} carries no prompt id")
    extra = mapping(parts[3])
    notes = mapping(extra.get(NOTES))
    rank = number(parts[0]) or 0.0
    workflow, sizes = WORKS.of(known, rank, parts[2])
    return QueuedPrompt(
        prompt_id=known,
        number=rank,
        job_id=job_tag(extra),
        client_id=text(extra.get("client_id"), _MAX_WORD_CHARS),
        output_nodes=len(parts[4]) if isinstance(parts[4], list) else None,
        graph_nodes=len(parts[2]) if isinstance(parts[2], Mapping) else None,
        created_at=seconds(extra.get("create_time")),
        job_id_from=text(notes.get(NOTE_JOB_ID_FROM), _MAX_WORD_CHARS),
        first_prompt_id=text(notes.get(NOTE_FIRST_PROMPT_ID), MAX_ID_CHARS),
        node_types=_node_types(parts[2]),
        workflow=workflow,
        sizes=sizes,
    )


def _node_types(graph: object) -> dict[str, str]:
    """The types of a graph's nodes: few words, in many prompts, so each is kept once."""
    found = {}
    for node_id, node in islice(mapping(graph).items(), _MAX_NODES):
        kind = text(mapping(node).get("class_type"), _MAX_WORD_CHARS)
        if kind and len(node_id) <= _MAX_WORD_CHARS:
            found[node_id] = intern(kind)
    return found


def job_tag(extra_data: Mapping[str, object]) -> str | None:
    """The job that a prompt says it belongs to: the id's text, or None."""
    nested = mapping(extra_data.get("extra_pnginfo"))
    return tag_text(extra_data.get(TAG_JOB_ID)) or tag_text(nested.get(TAG_JOB_ID))


def in_order(pending: list[QueuedPrompt]) -> tuple[QueuedPrompt, ...]:
    """The order in which ComfyUI's heap will run them: by number, ties by prompt id."""
    return tuple(sorted(pending, key=lambda prompt: (prompt.number, prompt.prompt_id)))


@dataclass(frozen=True, slots=True)
class ListedJob:
    """An open prompt as GET /api/jobs lists it: who, not what."""

    prompt_id: str
    running: bool
    number: float
    created_at: float | None

    def is_same(self, prompt: QueuedPrompt | None) -> bool:
        """True if that is the prompt seen before; an id can be used twice."""
        if prompt is None:
            return False
        return (prompt.number, prompt.created_at) == (self.number, self.created_at)


def listed_jobs(answer: object) -> list[ListedJob]:
    """Every open prompt that GET /api/jobs lists. Raises `Misshapen`, also for half a list."""
    reply = mapping(answer)
    jobs = reply.get("jobs")
    if not isinstance(jobs, list):
        raise Misshapen("'jobs' is missing or no list")
    total = mapping(reply.get("pagination")).get("total")
    if total != len(jobs):
        # Pages shift between two requests, so a prompt could slip through: then it is no use.
        raise Misshapen(f"it lists {len(jobs)} jobs of {total!r:.20}, not all of them")
    return [_listed_job(job, f"jobs[{n}]") for n, job in enumerate(jobs)]


def _listed_job(job: object, where: str) -> ListedJob:
    fields = mapping(job)
    prompt_id = text(fields.get("id"), MAX_ID_CHARS)
    status = fields.get("status")
    if not prompt_id or status not in ("pending", "in_progress"):
        raise Misshapen(f"{where} carries no id, or a status that was not asked for")
    return ListedJob(
        prompt_id=prompt_id,
        running=status == "in_progress",
        number=number(fields.get("priority")) or 0.0,
        created_at=seconds(fields.get("create_time")),
    )
