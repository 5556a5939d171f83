"""The page of one job."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse

from reconciler.core.case import Stage
from reconciler.settings import Settings
from reconciler.store import Store
from reconciler.web.api.jobs import details_of
from reconciler.web.context import Context
from reconciler.web.pages.job import actions, outputs, spent, timeline, verdicts
from reconciler.web.pages.rendering import render
from reconciler.web.pages.sentence import moment, sentence
from reconciler.web.security.access import Reader, Role
from reconciler.words import expected
from reconciler.words.cost import costs
from reconciler.words.next_step import next_step, outlook
from reconciler.words.remedies import REMEDIES
from reconciler.words.text import safe
from reconciler.words.told import Told, tell, troubles

router = APIRouter(include_in_schema=False)

#: A job of this id is not there: what may be the matter, and what to do.
_NO_SUCH_JOB = (
    "There is no job with this id in the jobs table. It may have been deleted, or the link is from"
    " another database. Search for its prompt id, type or file on the page of all jobs."
)


@router.get("/jobs/{job_id:path}")
def job(request: Request, context: Context, caller: Reader, job_id: str) -> HTMLResponse:
    """All that is known of one job."""
    with context.stores.one() as store:
        shown = gather(store, context.settings, job_id)
    may_ask = caller.role is Role.OPERATOR
    return render(request, "job.html", may_ask=may_ask, **shown)


def gather(store: Store, settings: Settings, job_id: str) -> dict[str, Any]:
    """What the template shows. Raises DatabaseError."""
    view = store.views.one(job_id)
    if view is None:
        raise HTTPException(404, _NO_SUCH_JOB)
    told = tell(store, settings, view)
    prospect = outlook(view, told.prompts, told.servers, settings, told.now, at=moment)
    files = store.lists.of_job(view.id, outputs.MOST_FILES, None)
    return {
        "now": told.now,
        "job": view,
        "doing": _doing(told),
        "next": sentence(next_step(prospect)),
        "remedy": None if view.failure is None else REMEDIES.get(view.failure),
        "troubles": troubles(told, settings),
        "phases": timeline.phases(told),
        "steps": timeline.steps(told.events),
        "earlier_steps": max(len(told.events) - timeline.MOST_EVENTS, 0),
        "expectations": expected.expectations(view, told.events),
        "outputs": outputs.cards(files.items, view.output_path, settings.servers),
        "has_more_outputs": files.next is not None or len(files.items) > outputs.MOST_CARDS,
        "errors": verdicts.errors(told.prompts, view.attempt),
        "prompts": verdicts.prompt_lines(told.prompts, view.attempt),
        "beside": verdicts.beside(view, told.prompts),
        "buttons": actions.buttons(view),
        "requests": store.requests.of_job(view.id),
        "spent": spent.spent(costs(store, view.id)),
        "raw": details_of(store, view).model_dump_json(indent=2),
    }


def _doing(told: Told) -> str | None:
    """What its running prompt was doing when it was heard last."""
    if told.job.stage != Stage.RUNNING.value:
        return None
    running = [p for p in told.prompts if p.attempt == told.job.attempt and p.ending is None]
    return next((safe(prompt.doing) for prompt in running if prompt.doing is not None), None)
