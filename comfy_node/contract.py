"""What the node pack writes and its readers look for. The reconciler imports this file and
`shapes`.

**Tag.** A file's tag is the pair {job id, prompt id}, both strings. ComfyUI's savers write every
entry of `extra_data.extra_pnginfo` into each file they save, JSON-encoded: as a PNG text chunk, an
mp4 tag, a webm tag (its name in upper case). So job 42 reads back as `"42"`, the quotes included.

**Manifest.** One JSON file for each prompt that ended or was removed from the queue,
`<output>/.reconciler/<manifest_name(prompt_id)>`, an object with these keys; what is not known is
null, times are seconds since the epoch by ComfyUI's clock:

    format         MANIFEST_FORMAT
    pack           PACK_VERSION
    boot_id        the life of ComfyUI's process in which it was written
    prompt_id      as ComfyUI knows it
    job_id         the tag's job id
    job_id_from, first_prompt_id   the notes on the prompt (NOTE_JOB_ID_FROM, ...)
    kind           success | error | interrupted | removed
    created_at     when the prompt was submitted (where ComfyUI or the pack noted it)
    started_at     when it left the queue for the worker
    ended_at       when it ended or was removed
    error          {node_id, node_type, exception_type, message}: the first line, bounded
    outputs        [{node_id, kind, filename, subfolder, type, size_bytes, mtime_ns, digest}]: every
                   file that history lists; `kind` is the key it stands under (images, gifs, ...),
                   `digest` is "<algorithm>:<hex>", added after the end, algorithm one of DIGESTS
    nodes          {node id: {type, seconds}}: how long each node ran that ran, in the order in
                   which they ended
    cached_nodes   [node id]: answered from the cache
    output_nodes   [node id]: the output nodes that were to run
    graph_nodes    how many nodes the graph has
    workflow       the graph's shape (`shapes.workflow_shape`)
    sizes          {width, height, frames, steps}, as far as the graph says them
                   (`shapes.workflow_sizes`)
    expected_frames  what an Expect Frames node promised
    followed_by    [prompt id]: follow-ups that this prompt's nodes queued (a batch manager's next)

**Snapshot.** GET SNAPSHOT_PATH?boot=<boot id>&since=<cursor> answers, read under the queue's lock:

    format         SNAPSHOT_FORMAT
    pack           PACK_VERSION
    boot_id        a new one for each life of the process
    now            ComfyUI's clock at the answer: an age is `now` minus a time
    worker_alive   true | false; null before a worker was ever seen
    running        [{prompt_id, number, job_id, job_id_from, first_prompt_id, client_id,
                   output_nodes, graph_nodes, created_at, workflow, sizes, node_types, since,
                   node_id, node_type, value, max, nodes_done, sign_at}]
    pending        [{prompt_id, number, job_id, job_id_from, first_prompt_id, client_id,
                   output_nodes, graph_nodes, created_at, workflow, sizes}], in the order in which
                   they will run
    ended          [{seq, prompt_id, job_id, first_prompt_id, kind, at}] with seq > since, oldest
                   first, at most MAX_ENDED; all that are kept where `boot` is not this life's
    cursor         the newest seq: the next question's `since`
    complete       false where entries after `since` were already forgotten

`workflow` and `sizes` are as in the manifest, `node_types` is {node id: type} of at most
MAX_NODE_TYPES nodes; older packs tell none of these. In running and pending, output_nodes and
graph_nodes are numbers, and keys whose value is null are left out. `sign_at` is the prompt's last
sign of life (its start, a node event, a step). In ended, job_id is null where a Tag node named it:
the manifest, which tells that, is the one to read; and first_prompt_id is left out where it is no
follow-up. `kind` is null there where ComfyUI did not say how the prompt ended: no manifest is
written of that, and history is the one to ask. A prompt is in `running` until its manifest is in
place, so it is at every instant in one of the three lists.

**Preview.** GET PREVIEW_PATH?prompt_id=<id> answers with the newest picture that the nodes of a
running prompt have shown, most of them samplers: image/jpeg or image/png, at most PREVIEW_PX wide
and high and MAX_PREVIEW_BYTES long. 204: the prompt does not run, or has shown none (previews are
off unless --preview-method, or the prompt's extra_data.preview_method where ComfyUI knows it,
switches them on).

**Broadcast.** Websocket events to everybody: EVENT_START {prompt_id, job_id, at}, EVENT_PROGRESS
{prompt_id, node_id, node_type, value, max, nodes_done, at} at most PROGRESS_PER_S a second for
each prompt, and the newest state once more right before its end, and EVENT_END {prompt_id, job_id,
kind, at}, sent when the manifest is in place.
"""

from __future__ import annotations

import hashlib
import re

#: The version of the pack, and of the whole project.
PACK_VERSION = "0.2.0"

#: Entry of `extra_pnginfo`, and so the name of the tag: the id of the job's row, as text.
TAG_JOB_ID = "job_id"
#: Entry of `extra_pnginfo`: the id under which ComfyUI ran the prompt that saved the file.
TAG_PROMPT_ID = "prompt_id"
#: Longest id, in characters. A tag goes into every file, so it must not carry a novel.
MAX_ID_LENGTH = 200

#: Entry of `extra_data` with the pack's own notes on a prompt; no file carries it.
NOTES = "reconciler"
#: Note: who named the job id. A Tag node's may be a relic of a workflow that was saved long ago.
NOTE_JOB_ID_FROM = "job_id_from"
FROM_CLIENT, FROM_NODE = "client", "node"
#: Note: the prompt whose node queued this one (a batch manager's first prompt).
NOTE_FIRST_PROMPT_ID = "first_prompt_id"

#: `class_type` of the node "Tag Output with Job ID", and its input that holds the id.
TAG_NODE = "ReconcilerTagOutput"
TAG_NODE_JOB_ID = "job_id"
#: `class_type` of the node "Job Filename Prefix".
PREFIX_NODE = "ReconcilerFilenamePrefix"
#: `class_type` of the node "Expect Frames", and its input that holds the number.
EXPECT_NODE = "ReconcilerExpectFrames"
EXPECT_NODE_FRAMES = "frames"

#: Folder of the manifests, in ComfyUI's output directory.
MANIFEST_DIR = ".reconciler"
MANIFEST_FORMAT = 1
#: A manifest is no larger than this: outputs are left out, and then `outputs` is null.
MAX_MANIFEST_BYTES = 4 * 2**20
#: Manifests are pruned that are older than this, in seconds, or beyond this number.
MANIFEST_KEEP_S = 30 * 86400
MANIFEST_KEEP_COUNT = 20_000
#: Digests, the fastest first; sha256 needs nothing that Python lacks.
DIGESTS = ("xxh3_128", "blake3", "sha256")

SNAPSHOT_PATH = "/reconciler/snapshot"
SNAPSHOT_FORMAT = 1
#: Nodes of a running prompt whose types the snapshot tells; of a larger graph none.
MAX_NODE_TYPES = 500
#: Ends that the snapshot remembers.
MAX_ENDED = 256

PREVIEW_PATH = "/reconciler/preview"
#: Width and height of a preview at most, in pixels, and its bytes.
PREVIEW_PX = 512
MAX_PREVIEW_BYTES = 512 * 1024

#: Every websocket event of the pack's own begins with this; ComfyUI's never do.
EVENT_PREFIX = "reconciler."
EVENT_START = EVENT_PREFIX + "start"
EVENT_PROGRESS = EVENT_PREFIX + "progress"
EVENT_END = EVENT_PREFIX + "end"
PROGRESS_PER_S = 4.0

#: Values of `kind`, in manifest, snapshot and EVENT_END.
KINDS = ("success", "error", "interrupted", "removed")

_PLAIN_NAME = re.compile(r"[0-9A-Za-z][0-9A-Za-z_-]{0,99}")


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


def manifest_name(prompt_id: str) -> str:
    """File name of a prompt's manifest. Older ComfyUIs take any text for an id, so one that is
    no plain name (letters, digits, `-`, `_`) is replaced by its sha256."""
    if _PLAIN_NAME.fullmatch(prompt_id):
        return f"{prompt_id}.json"
    digest = hashlib.sha256(prompt_id.encode("utf-8", "surrogatepass")).hexdigest()
    return f"sha256-{digest}.json"


def expected_frames(graph: object) -> int | None:
    """What the graph's Expect Frames nodes promise: one number, or None for none or several.

    Numbers that are wired in from another node are known only when the node has run.
    """
    found: set[int] = set()
    for node in graph.values() if isinstance(graph, dict) else ():
        if isinstance(node, dict) and node.get("class_type") == EXPECT_NODE:
            inputs = node.get("inputs")
            frames = inputs.get(EXPECT_NODE_FRAMES) if isinstance(inputs, dict) else None
            if isinstance(frames, int) and not isinstance(frames, bool) and frames > 0:
                found.add(frames)
    return found.pop() if len(found) == 1 else None
