"""What the tables say, and what is the case: for a person who reads a history that failed."""

from __future__ import annotations

from tests.faults.stateful.world import World

_ROWS = "select id, comfyui_job_id, status, error, output_path from production_jobs order by id"
_STORIES = """
    select extract(epoch from at)::bigint % 100000 as at, job_id, attempt, kind, from_status,
           to_status, reason
    from reconciler.events order by id"""
_STATES = """
    select job_id, attempt, known_status, rule, server, overwritten from reconciler.job_state"""
_PROMPTS = """
    select prompt_id, job_id, attempt, server, ever_seen, missing_looks,
           extract(epoch from missing_since)::bigint % 100000 as missing_since,
           ending ->> 'kind' as ending, extract(epoch from ending_seen_at)::bigint % 100000 as seen
    from reconciler.prompts"""
_OUTPUTS = """
    select convert_from(path, 'utf8') as path, job_id, prompt_id, verdict, confirmed
    from reconciler.outputs"""
_SERVERS = """
    select name, extract(epoch from unreachable_since)::bigint % 100000 as unreachable_since,
           boot_id, output_marker, unwatched_s from reconciler.servers"""
_LEASES = "select server, agent, epoch, looked_at from reconciler.leases"
_TABLES = (_ROWS, _STATES, _PROMPTS, _OUTPUTS, _SERVERS, _LEASES, _STORIES)


def told(world: World) -> str:
    """All of it, a line for each thing. Times are the last five digits of seconds."""
    lines = []
    for statement in _TABLES:
        for row in world.database.sql(statement):
            lines.append("  " + "  ".join(f"{key}={value}" for key, value in row.items()))
        lines.append("")
    for prompt in world.prompts:
        lines.append(
            f"  truth: {prompt.id} on {prompt.server}: {prompt.place}, tag {prompt.tag}, ended by"
            f" {prompt.ending and prompt.ending.kind}, files {[f.path.name for f in prompt.files]},"
            f" gone {prompt.gone_at and prompt.gone_at % 1e5}, shown {prompt.shown},"
            f" known {prompt.known}"
        )
    for comfy in world.comfys.values():
        lines.append(
            f"  truth: {comfy.name}: network {comfy.network}, up {comfy.up}, mounted"
            f" {comfy.mounted}, answered {comfy.answered_at % 1e5:.0f}, now {comfy.now % 1e5:.0f}"
        )
    return "\n".join(lines)
