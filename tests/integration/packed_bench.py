"""A bench whose server has the node pack, and what happens to its prompts."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from reconciler.comfyui.values import EndedNote
from reconciler.core.evidence import EndKind
from reconciler.core.policy import Policy
from tests.integration.reconciling import QUICK, Bench

P1, P2 = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"


def bench_of(url: str, folder: Path, policy: Policy = QUICK, boot_id: str = "boot-a") -> Bench:
    """A bench whose server has the pack."""
    bench = Bench(url, folder, policy=policy)
    bench.server.boot_id = boot_id
    return bench


def note(bench: Bench, prompt_id: str, kind: EndKind, **more: Any) -> None:
    """The prompt ended, as the snapshot tells; nothing else does."""
    bench.server.forget(prompt_id)
    told = {"at": bench.clock.now() + 1.0} | more
    bench.server.ended.append(EndedNote(prompt_id, kind, **told))


def run(bench: Bench, prompt_id: str = P1, **more: Any) -> str:
    """A row whose prompt runs, as the reconciler has seen."""
    job = bench.insert(comfyui_job_id=prompt_id)
    bench.server.run(prompt_id, **more)
    bench.run_pass()
    assert bench.says(job) == ("processing", None)
    return job


def rule(bench: Bench, job: str) -> str:
    return str(state(bench, job)["rule"])


def state(bench: Bench, job: str) -> dict[str, Any]:
    return bench.sql("select * from reconciler.job_state where job_id = %s", job)[0]


def prompt(bench: Bench, prompt_id: str = P1) -> dict[str, Any]:
    return bench.sql("select * from reconciler.prompts where prompt_id = %s", prompt_id)[0]


def raising(error: Exception) -> Any:
    def raise_it(*_: object, **__: object) -> None:
        raise error

    return raise_it
