"""What the node pack writes and its readers look for. The reconciler imports this one file.

A file's tag is the pair {job id, prompt id}, both strings. ComfyUI's savers write every entry of
`extra_data.extra_pnginfo` into each file they save, JSON-encoded: as a PNG text chunk, an mp4 tag,
a webm tag (its name in upper case). So job 42 reads back as `"42"`, the quotes included.
"""

from __future__ import annotations

#: Entry of `extra_pnginfo`, and so the name of the tag: the id of the job's row, as text.
TAG_JOB_ID = "job_id"
#: Entry of `extra_pnginfo`: the id under which ComfyUI ran the prompt that saved the file.
TAG_PROMPT_ID = "prompt_id"
#: `class_type` of the node "Tag Output with Job ID", and its input that holds the id.
TAG_NODE = "ReconcilerTagOutput"
TAG_NODE_JOB_ID = "job_id"
#: Longest id, in characters. A tag goes into every file, so it must not carry a novel.
MAX_ID_LENGTH = 200
#: Every websocket event of the pack's own begins with this; ComfyUI's never do.
EVENT_PREFIX = "reconciler."


def tag_text(value: object) -> str | None:
    """The text that a tag carries for this id, or None where it is no id.

    An id is an integer, or 1 to `MAX_ID_LENGTH` printable characters: no control characters, no
    halves of surrogate pairs, no invisible marks that make two ids look alike. The text is never
    trimmed or folded, since it has to equal the row's.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value) if abs(value) < 10**MAX_ID_LENGTH else ""
    if not isinstance(value, str) or not 0 < len(value) <= MAX_ID_LENGTH:
        return None
    return value if value.isprintable() else None
