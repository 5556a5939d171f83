"""A message as receivers get it: its body, and the headers that prove whose it is."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from standardwebhooks import Webhook

from reconciler import __version__
from reconciler.store.deliveries import TEST, Claimed
from reconciler.store.views import JobView
from reconciler.words import as_json
from reconciler.words.times import iso

#: No text in a message is longer, in characters.
MOST_CHARS = 2000
#: Of the event, what the job is told to be: it may be something else by now.
_OF_EVENT = ("failure", "reason", "rule", "attempt")
#: What is told of its row besides, null where there is none any more.
_OF_ROW = (
    *("type", "status", "server", "prompt_id", "frames", "output_path", "error"),
    *("created_at", "completed_at"),
)


def completed(claimed: Claimed, job: JobView | None) -> Mapping[str, Any]:
    """The payload with the job as its row is when the message is sent first; from then on it is
    the same in each attempt. None: there is no such row any more."""
    if "data" in claimed.payload:
        return {name: claimed.payload[name] for name in ("type", "timestamp", "data")}
    if claimed.type == TEST:
        data: dict[str, Any] = {"note": "A test: nothing happened."}
        at = iso(claimed.created_at)
    else:
        event = claimed.payload
        data = {"id": claimed.job_id} | _job(job) | {name: event[name] for name in _OF_EVENT}
        data["status"] = event["to_status"] or data["status"]
        data["event"] = {
            "id": event["event_id"],
            "kind": event["kind"],
            "from_status": event["from_status"],
            "to_status": event["to_status"],
        }
        at = _utc(event["at"])
    return {"type": claimed.type, "timestamp": at, "data": _bounded(data)}


def body_of(payload: Mapping[str, Any]) -> str:
    """The message's text, which is signed: the same also from jsonb, which keeps no order."""
    return json.dumps(payload, ensure_ascii=False, separators=(",", ":"), sort_keys=True)


def headers_of(message_id: str, body: str, secrets: Sequence[str], now: datetime) -> dict[str, str]:
    """Signed with each of the secrets; `now` in UTC."""
    signatures = [Webhook(secret).sign(message_id, now, body) for secret in secrets]
    return {
        "Content-Type": "application/json; charset=utf-8",
        "User-Agent": f"reconciler/{__version__}",
        "webhook-id": message_id,
        "webhook-timestamp": str(int(now.timestamp())),
        "webhook-signature": " ".join(signatures),
    }


def _job(view: JobView | None) -> dict[str, Any]:
    """Of the row, what does not change by the minute; by the names that REST has for it."""
    told = {} if view is None else as_json.job(view, now=0.0)
    return {name: told.get(name) for name in _OF_ROW}


def _bounded(value: Any) -> Any:
    if isinstance(value, str):
        return value if len(value) <= MOST_CHARS else value[: MOST_CHARS - 1] + "…"
    if isinstance(value, dict):
        return {name: _bounded(inner) for name, inner in value.items()}
    return value


def _utc(at: str) -> str:
    """As Postgres writes times into JSON, in the form of all our times."""
    return datetime.fromisoformat(at).astimezone(UTC).isoformat(timespec="milliseconds")
