"""The poller that many have: every 5 s it asks ComfyUI about each open job, one after the other.

`python -m tests.benchmarks.poller COMFYUI_URL DATABASE_URL` runs until it is ended.
"""

from __future__ import annotations

import sys
import time
from contextlib import closing
from typing import Any

import psycopg2
import psycopg2.extensions
import requests

#: Between the end of a round and the next, in seconds.
ROUND_PAUSE_S = 5.0
#: Between two jobs, in seconds, so as not to flood ComfyUI.
JOB_PAUSE_S = 0.5
HTTP_TIMEOUT_S = 10.0

# Without an order Postgres gives updated rows in any; this one is any, and the same every time.
_OPEN = """
    select id, comfyui_job_id from production_jobs
    where status in ('queued', 'processing') order by md5(id::text)
"""
_SET = """
    update production_jobs
    set status = %s, output_path = %s, updated_at = now(),
        completed_at = case when %s then now() end
    where id = %s and status <> %s
"""


def poll(comfyui_url: str, connection: psycopg2.extensions.connection) -> None:
    """One round."""
    with connection.cursor() as cursor:
        cursor.execute(_OPEN)
        for number, (job_id, prompt_id) in enumerate(cursor.fetchall()):
            if number:
                time.sleep(JOB_PAUSE_S)
            queue = requests.get(f"{comfyui_url}/queue", timeout=HTTP_TIMEOUT_S).json()
            history = requests.get(
                f"{comfyui_url}/history/{prompt_id}", timeout=HTTP_TIMEOUT_S
            ).json()
            status, path = _status(prompt_id, queue, history)
            if status is not None:
                is_final = status in ("completed", "failed")
                cursor.execute(_SET, (status, path, is_final, job_id, status))


def _status(
    prompt_id: str, queue: dict[str, Any], history: dict[str, Any]
) -> tuple[str | None, str | None]:
    """What ComfyUI says: the file is not looked at."""
    if prompt_id in history:
        entry = history[prompt_id]
        if entry["status"]["status_str"] == "success":
            return "completed", _first_file(entry["outputs"])
        return "failed", None
    if any(item[1] == prompt_id for item in queue["queue_running"]):
        return "processing", None
    return None, None


def _first_file(outputs: dict[str, Any]) -> str | None:
    for node in outputs.values():
        for file in node.get("images", []):
            return f"{file['subfolder']}/{file['filename']}"
    return None


def main() -> None:
    """Rounds for ever."""
    comfyui_url, database_url = sys.argv[1:]
    with closing(psycopg2.connect(database_url)) as connection:
        connection.autocommit = True
        while True:
            poll(comfyui_url, connection)
            time.sleep(ROUND_PAUSE_S)


if __name__ == "__main__":
    main()
