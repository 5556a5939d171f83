"""Troubles of single jobs: told once, and no other job waits for them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import structlog

from reconciler.errors import DatabaseError, StatementRefused
from reconciler.store.clean import clean_text

log = structlog.get_logger(__name__)


class Troubles:
    """Jobs that could not be judged or written in this pass, and why."""

    def __init__(self) -> None:
        self._known: dict[str, str] = {}
        self._now: dict[str, str] = {}

    @property
    def jobs(self) -> set[str]:
        """The jobs that are in trouble now."""
        return set(self._now)

    def begin_pass(self) -> None:
        """What was in trouble in the last pass is no news in this one."""
        self._known, self._now = self._now, {}

    @contextmanager
    def apart(self, job_id: str) -> Iterator[None]:
        """Does something for one job. What goes wrong with it alone is told, and ends here."""
        try:
            yield
        except StatementRefused as error:
            self.note(job_id, error)
        except DatabaseError:
            raise
        except Exception as error:
            if self._note(job_id, f"{type(error).__name__}: {error}"):
                log.exception("a defect: please report it", job=job_id)

    def note(self, job_id: str, error: DatabaseError) -> None:
        """What Postgres refuses for this job alone."""
        self._note(job_id, str(error))

    def _note(self, job_id: str, words: str) -> bool:
        """True if it is news."""
        self._now[job_id] = words
        if self._known.get(job_id) == words:
            return False
        log.error("job left as it was", job=job_id, error=clean_text(words, 500))
        return True
