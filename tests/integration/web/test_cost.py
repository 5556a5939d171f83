"""What a job cost, by REST."""

from __future__ import annotations

from reconciler.core.evidence import EndKind, NodeRun
from reconciler.core.kinds import Kind, PromptRun, Run, Sizes
from reconciler.store.runs import save_runs
from tests.integration.commands import Stage
from tests.integration.web.rest import client_of, get, problem


def run(prompt_id: str, job_id: str, sampler_s: float, *, cached: bool) -> PromptRun:
    loader = () if cached else (NodeRun("1", "CheckpointLoaderSimple", 12.0),)
    nodes = (*loader, NodeRun("2", "KSampler", sampler_s))
    kind = Kind("w", "video", "gpu1", Sizes(frames=24))
    ran = Run(kind, sum(node.seconds for node in nodes), 1000.0, nodes)
    left = ("1",) if cached else ()
    return PromptRun(prompt_id, job_id, 1, EndKind.SUCCESS, ran, 3.0, left, "manifest")


def test_a_run_beside_the_fastest_of_its_workflow(database: str) -> None:
    stage = Stage(database)
    with client_of(database) as client:
        job = stage.known("completed")
        with stage.store.connection.writing() as cursor:
            runs = [run("p1", job, 61.0, cached=False), run("p2", "other", 34.0, cached=True)]
            save_runs(cursor, runs)
        told = get(client, f"/api/v1/jobs/{job}/cost")
        problem(client, "/api/v1/jobs/nobody/cost", 404)
        waiting = stage.known("queued")
        assert get(client, f"/api/v1/jobs/{waiting}/cost")["runs"] == []
    stage.close()
    (one,) = told["runs"]
    assert (told["ran_s"], one["ran_s"], one["waited_s"]) == (73.0, 73.0, 3.0)
    assert (one["cache_misses"], one["loaded_s"], one["compared"]) == (2, 12.0, 1)
    assert one["fastest"]["job_id"] == "other"
    assert [(n["type"], n["lost_s"]) for n in one["nodes"]] == [
        ("KSampler", 27.0),
        ("CheckpointLoaderSimple", 12.0),
    ]
    assert one["words"][1] == (
        "KSampler took 1 min 1 s, in the fastest run 34 s; CheckpointLoaderSimple was loaded again:"
        " 12 s."
    )
