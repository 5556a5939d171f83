"""What a job cost: time for each node, models loaded, cache hits, and what the fastest runs did."""

from __future__ import annotations

from fastapi import APIRouter

from reconciler.web.api.asking import JobId, job_of
from reconciler.web.api.models.cost import JobCost
from reconciler.web.context import Context
from reconciler.web.security.access import Reader
from reconciler.words.cost import as_json, costs

router = APIRouter(prefix="/api/v1", tags=["jobs"])


@router.get("/jobs/{job_id:path}/cost", summary="What a job cost, and where time can be won")
def cost(context: Context, caller: Reader, job_id: JobId) -> JobCost:
    """Each run of its prompts, node by node, beside the fastest of the same workflow.

    Times of nodes come from the node pack's manifest, or were heard on the websocket; without both
    a run has none.
    """
    with context.stores.one() as store:
        found = costs(store, job_of(store, job_id).id)
    ran_s = round(sum(one.run.run.ran_s for one in found), 3)
    return JobCost.of({"job_id": job_id, "ran_s": ran_s, "runs": [as_json(one) for one in found]})
