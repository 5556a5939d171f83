"""Traps of attribution: tags that are old, and names that are shared."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Sequence
from pathlib import Path

from comfy_node.contract import TAG_NODE, TAG_NODE_JOB_ID
from tests.contract.matrix import graphs
from tests.contract.matrix.stage import VERDICT_S, Stage
from tests.contract.talk import Graph
from tests.waiting import wait_for

#: How much older than everything else an old directory is.
AGE_S = 3600.0


def submit_relics(stage: Stage, prefix: str, job_id: str) -> list[str]:
    """Somebody else submits two workflows that were saved by hand, an old job id in them: one
    fails, the other saves two files. Returns the ids of the prompts."""
    failing = graphs.through("RaiseError", f"{prefix}-never", message="a stranger's error")
    return [_submit(stage, job_id, graph) for graph in (failing, graphs.pictures(prefix))]


def _submit(stage: Stage, job_id: str, graph: Graph) -> str:
    """With the pack the id stands in a Tag node; without it only in the workflow that a frontend
    sends along."""
    if stage.pack:
        source = graph["9"]["inputs"]["images"]
        graph["4"] = graphs.node(TAG_NODE, value=source, **{TAG_NODE_JOB_ID: job_id})
        graph["9"]["inputs"]["images"] = ["4", 0]
    workflow = {"nodes": [], "extra": {"job_id": job_id, "extra_pnginfo": {"job_id": job_id}}}
    return stage.submit(graph, extra_pnginfo={"workflow": workflow})


def wait_until_inspected(stage: Stage, prefix: str, number: int) -> dict[str, str | None]:
    """Wait until the reconciler knows so many files of a prefix; returns their owners."""
    what = f"{number} files of {prefix} are inspected"
    limit_s = VERDICT_S * stage.ground.patience
    wait_for(lambda: len(stage.owners(prefix)) >= number, what, limit_s)
    return stage.owners(prefix)


def age(stage: Stage, prefix: str, prompt_ids: Sequence[str]) -> None:
    """Make files and manifests an hour older, as if nobody had been here since."""
    then = time.time() - AGE_S
    root = stage.ground.output_dir
    for path in root.glob(f"{prefix}*"):
        os.utime(path, (then, then))
    for prompt_id in prompt_ids if stage.pack else ():
        _age_manifest(stage.manifest(prompt_id), then)


def _age_manifest(path: Path, then: float) -> None:
    manifest = json.loads(path.read_text(encoding="utf-8"))
    for key in ("created_at", "started_at", "ended_at"):
        if manifest.get(key) is not None:
            manifest[key] -= AGE_S
    for output in manifest["outputs"] or ():
        output["mtime_ns"] = int(then * 1e9)
    path.write_text(json.dumps(manifest), encoding="utf-8")
    os.utime(path, (then, then))
