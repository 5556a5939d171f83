"""A ComfyUI server over HTTP, versions 0.3 to 0.33 and what lies between."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar
from urllib.parse import quote

import structlog

from comfy_node.contract import SNAPSHOT_PATH
from reconciler.comfyui.address import ServerAddress
from reconciler.comfyui.fields import MAX_ID_CHARS, Misshapen, mapping, text
from reconciler.comfyui.history import ended_prompt
from reconciler.comfyui.queue import in_order, listed_jobs, look_of_queue
from reconciler.comfyui.snapshot import Snapshot, snapshot_of
from reconciler.comfyui.stats import server_info
from reconciler.comfyui.transport import NoSuchRoute, Transport
from reconciler.comfyui.values import EndedPrompt, HistoryPage, Look, QueuedPrompt, ServerInfo
from reconciler.errors import ServerAnswer, ServerRefused

_log = structlog.get_logger(__name__)
#: A route that failed is tried again after this time, in seconds.
_PAUSE_S = 300.0
_T = TypeVar("_T")


class ComfyClient:
    """One server. Safe to share between threads; requests go one after the other.

    **Read the queue before the history.** A prompt leaves the one and enters the other under one
    lock, so a live prompt that `look()` did not show is found by a later `ending()`. The other way
    round it can be missing from both.

    Every method raises `ServerRefused` (nobody there), `ServerTimeout` (no answer in time: no
    evidence) or `ServerAnswer` (an answer that is not ComfyUI's), and nothing else.
    """

    def __init__(
        self,
        address: ServerAddress,
        *,
        connect_timeout_s: float = 3.0,
        timeout_s: float = 10.0,
        max_answer_bytes: int = 64 * 2**20,
    ) -> None:
        """`timeout_s` bounds each request as a whole, connecting included."""
        self.address = address
        self._http = Transport(address, connect_timeout_s, timeout_s, max_answer_bytes)
        self._lock = threading.RLock()
        self._known: dict[str, QueuedPrompt] = {}
        #: From when on, by the monotonic clock, GET /api/jobs and the snapshot are worth a try.
        self._jobs_from = self._snapshot_from = 0.0
        #: How far the ends have been read that the snapshot tells of.
        self._read: Snapshot | None = None
        self._version: str | None = None

    def look(self) -> Look:
        """The queue at one moment, and what the node pack tells with it.

        The pack's snapshot says all there is to know. Without the pack GET /api/jobs says in 50 kB
        who is there, for which GET /queue takes megabytes; only the latter carries job tag, client
        and output nodes of an open prompt. So a look at prompts that are all known asks the one,
        and a look that finds a new one reads the other.

        Each end that the snapshot tells of is in the answer to one look.
        """
        with self._lock:
            look, snapshot = self._look()
            self._read = snapshot or self._read
            return look

    def ending(self, prompt_id: str) -> EndedPrompt | None:
        """How a prompt ended, or None: the server answered cleanly and does not know it."""
        path = f"/history/{quote(prompt_id, safe='', errors='replace')}"
        answer = self._http.get(path)
        if answer == {}:
            return None

        def read() -> EndedPrompt:
            if prompt_id not in mapping(answer):
                raise Misshapen("the prompt asked for is not in it")
            return ended_prompt(prompt_id, answer[prompt_id])

        return self._shaped(f"GET {path}", read)

    def recent(self, max_items: int) -> tuple[EndedPrompt, ...]:
        """The last prompts that history knows, oldest first; unreadable entries are left out."""
        return tuple(self.newest(max_items).ended.values())

    def newest(self, max_items: int) -> HistoryPage:
        """The same by prompt, and whether that is all that history knows."""
        answer = self._http.get("/history", {"max_items": str(max_items)})
        if not isinstance(answer, dict):
            raise self._http.misshapen("GET /history", "it is no object")
        ended = {}
        for key, entry in answer.items():
            prompt_id = text(key, MAX_ID_CHARS)
            with suppress(Misshapen):
                if prompt_id:
                    ended[prompt_id] = ended_prompt(prompt_id, entry)
        return HistoryPage(ended, whole=len(ended) == len(answer) < max_items)

    def interrupt(self, prompt_id: str) -> None:
        """Interrupt this prompt if it is running, and no other.

        Versions from mid-2025 compare the id with what runs. Older ones ignore it and interrupt
        whatever runs, hence the look: what remains there is a prompt that ends between look and
        request. Interrupting is cooperative: a node that never returns goes on running.
        """
        with self._lock:
            # Not `look`: the ends that it tells of would be news to nobody else.
            if any(prompt.prompt_id == prompt_id for prompt in self._look()[0].running):
                self._http.post("/interrupt", {"prompt_id": prompt_id})
            else:
                _log.info("not running, so not interrupted", prompt_id=prompt_id)

    def remove_pending(self, prompt_id: str) -> None:
        """Delete a prompt from the queue; one that runs or is unknown is left alone."""
        self._http.post("/queue", {"delete": [prompt_id]})

    def info(self) -> ServerInfo:
        """Version, command line and devices."""
        answer = self._http.get("/system_stats")
        info = self._shaped("GET /system_stats", lambda: server_info(answer))
        if info.version != self._version:
            self._version = info.version
            self.reconnected()
        return info

    def reconnected(self) -> None:
        """Say that the server was away: it may be another version now, so ask it anew."""
        self._jobs_from = self._snapshot_from = 0.0

    def connect_anew(self) -> None:
        """Ask the next question over a new connection: what stands before several servers gives
        each connection to one of them."""
        self._http.close()

    def close(self) -> None:
        """Close the connection."""
        self._http.close()

    def _look(self) -> tuple[Look, Snapshot | None]:
        try:
            snapshot = self._look_by_snapshot()
            look = snapshot.look if snapshot is not None else self._look_by_jobs()
            if look is None:
                look = self._look_by_queue()
        except ServerRefused:
            self.reconnected()
            raise
        self._known = {prompt.prompt_id: prompt for prompt in look}
        return look, snapshot

    def _look_by_snapshot(self) -> Snapshot | None:
        """The node pack's answer, or None where there is no pack whose format we read."""
        if time.monotonic() < self._snapshot_from:
            return None
        query, read = {}, self._read
        if read is not None and read.cursor is not None:
            query = {"boot": read.boot_id, "since": str(read.cursor)}
        try:
            answer = self._http.get(SNAPSHOT_PATH, query)
            snapshot = self._shaped(f"GET {SNAPSHOT_PATH}", lambda: snapshot_of(answer))
        except NoSuchRoute:
            snapshot = None
        except ServerAnswer as error:
            self._snapshot_from = time.monotonic() + _PAUSE_S
            _log.warning("doing without the node pack for a while", reason=str(error))
            return None
        if snapshot is None:
            self._snapshot_from = math.inf
        return snapshot

    def _look_by_queue(self) -> Look:
        answer = self._http.get("/queue")
        return self._shaped("GET /queue", lambda: look_of_queue(answer))

    def _look_by_jobs(self) -> Look | None:
        """The look by GET /api/jobs, or None where that route cannot give a whole one."""
        if time.monotonic() < self._jobs_from:
            return None
        try:
            answer = self._http.get("/api/jobs", {"status": "pending,in_progress"})
            jobs = self._shaped("GET /api/jobs", lambda: listed_jobs(answer))
        except NoSuchRoute:
            self._jobs_from = math.inf
            return None
        except ServerAnswer as error:
            # One prompt with strange metadata makes ComfyUI answer 500 for the whole list.
            self._jobs_from = time.monotonic() + _PAUSE_S
            _log.info("using GET /queue for a while", reason=str(error))
            return None
        if not all(job.is_same(self._known.get(job.prompt_id)) for job in jobs):
            return None
        running = [self._known[job.prompt_id] for job in jobs if job.running]
        pending = [self._known[job.prompt_id] for job in jobs if not job.running]
        return Look(tuple(running), in_order(pending))

    def _shaped(self, what: str, read: Callable[[], _T]) -> _T:
        try:
            return read()
        except Misshapen as problem:
            raise self._http.misshapen(what, problem) from problem
