"""What is known, for programs: the same by commands and by REST. Times are ISO 8601 in UTC."""

from __future__ import annotations

import os
from dataclasses import asdict
from typing import Any

from reconciler.store.agents import AgentRecord
from reconciler.store.leases import LeaseRecord
from reconciler.store.outputs import OutputRecord
from reconciler.store.records import PromptRecord, StoryEvent, ending_to_json
from reconciler.store.servers import ServerRecord
from reconciler.store.views import JobView
from reconciler.words.agents import Agents
from reconciler.words.expected import Expectations
from reconciler.words.orphans import Listed
from reconciler.words.times import iso


def job(view: JobView, now: float) -> dict[str, Any]:
    """A row with what is known of it."""
    return {
        "id": view.id,
        "type": view.job_type,
        "status": view.status,
        "row_status": view.word,
        "failure": view.failure,
        "stage": view.stage,
        "progress": view.progress,
        "queue_position": view.queue_position,
        "eta_s": view.eta_s,
        "eta_high_s": view.eta_high_s,
        "wait_s": view.wait_s,
        "server": view.server,
        "age_s": None if view.created_at is None else round(now - view.created_at, 1),
        "reason": view.reason,
        "warned": view.warned,
        "rule": view.rule,
        "attempt": view.attempt,
        "frames": view.frames,
        "prompt_id": view.prompt_id,
        "output_path": view.output_path,
        "error": view.error,
        "created_at": iso(view.created_at),
        "updated_at": iso(view.updated_at),
        "completed_at": iso(view.completed_at),
        "decided_at": iso(view.decided_at),
    }


def prompt(record: PromptRecord) -> dict[str, Any]:
    """A prompt of a job."""
    return {
        "prompt_id": record.prompt_id,
        "attempt": record.attempt,
        "server": record.server,
        "ever_seen": record.ever_seen,
        "running_since": iso(record.running_since),
        "last_sign_at": iso(record.last_sign_at),
        "missing_looks": record.missing_looks,
        "missing_since": iso(record.missing_since),
        "boot_changed_since": iso(record.boot_changed_since),
        "interrupted_by_us": record.interrupted_by_us,
        "ending": ending_to_json(record.ending),
        "ending_seen_at": iso(record.ending_seen_at),
    }


def output(record: OutputRecord) -> dict[str, Any]:
    """An output file with what its inspection said."""
    known = {k: v for k, v in record.inspection.items() if k not in ("mtime_ns", "inode", "tags")}
    return {
        "path": os.fspath(record.path),
        "server": record.server,
        "prompt_id": record.prompt_id,
        "sound": record.sound,
        "verdict": record.verdict.value,
        "identical_to": record.identical_to,
        "confirmed": record.confirmed,
        "inspected_at": iso(record.inspected_at),
        **known,
    }


def server(record: ServerRecord) -> dict[str, Any]:
    """A server as it was seen last."""
    return {
        "name": record.name,
        "url": record.url,
        "version": record.version,
        "answers": record.unreachable_since is None,
        "unreachable_since": iso(record.unreachable_since),
        "unreachable_how": record.unreachable_how,
        "answered_at": iso(record.answered_at),
        "boot_id": record.boot_id,
        "worker_dead_since": iso(record.worker_dead_since),
        "boot_returned_at": iso(record.boot_returned_at),
    }


def orphan(listed: Listed) -> dict[str, Any]:
    """A file that is nobody's, and why. The bytes of a name that are no UTF-8 are Python's
    surrogates."""
    found, why, facts = listed.orphan, listed.why, listed.orphan.facts
    return {
        "path": os.fspath(found.path),
        "server": found.server,
        "size_bytes": found.size_bytes,
        "changed_at": iso(facts.changed_at),
        "exists": listed.exists,
        "sound": found.sound,
        "verdict": found.verdict.value,
        "why": why.reason.value,
        "detail": why.words,
        "claimed_by": list(why.claimed_by),
        "tag": {"job_id": facts.tag_job_id, "prompt_id": facts.tag_prompt_id},
        "name": {"job_id": facts.named_job_id, "prompt_id": facts.named_prompt_id},
    }


def event(told: StoryEvent) -> dict[str, Any]:
    """A sentence of a job's story."""
    return {
        "id": told.id,
        "at": iso(told.at),
        "attempt": told.attempt,
        "kind": told.event.kind,
        "from_status": told.event.from_status,
        "to_status": told.event.to_status,
        "failure": told.event.failure,
        "rule": told.event.rule,
        "reason": told.event.reason,
        "evidence": dict(told.event.evidence),
    }


def expected(known: Expectations) -> list[dict[str, Any]]:
    """What was expected of the main output, by whom, and what was found."""
    return [asdict(row) for row in known.rows]


def agents(known: Agents) -> list[dict[str, Any]]:
    """The agents, each with its leases."""
    return [_agent(known, one) | {"leases": _leases(known, one)} for one in known.agents]


def _agent(known: Agents, agent: AgentRecord) -> dict[str, Any]:
    return {
        "id": agent.id,
        "name": agent.name,
        "host": agent.host,
        "pid": agent.pid,
        "version": agent.version,
        "schema": agent.revision,
        "started_at": iso(agent.started_at),
        "heartbeat_at": iso(agent.heartbeat_at),
        "heartbeat_age_s": round(known.now - agent.heartbeat_at, 1),
        "alive": known.is_alive(agent),
        "state": known.state(agent),
        "waiting": agent.waiting,
        "servers": list(agent.servers),
    }


def _leases(known: Agents, agent: AgentRecord) -> list[dict[str, Any]]:
    return [_lease(lease) for lease in known.held_by(agent)]


def _lease(lease: LeaseRecord) -> dict[str, Any]:
    return {
        "server": lease.server,
        "epoch": lease.epoch,
        "acquired_at": iso(lease.acquired_at),
        "renewed_at": iso(lease.renewed_at),
        "looked_at": iso(lease.looked_at),
    }
