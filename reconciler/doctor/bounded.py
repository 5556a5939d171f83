"""Checks that end: each runs in a thread of its own, and is given up when its time is over.

Storage whose server is gone holds whoever touches it for hours, beyond the reach of any signal. A
thread that is held so is left behind; it is a daemon, so that the process can end without it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from reconciler.doctor.finding import Finding, failed, failed_by
from reconciler.errors import ReconcilerError

#: How long a check may take, in seconds, if it does not say.
DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at. What it found before it failed or hung is told too."""

    what: str
    look: Callable[[], Iterable[Finding]]
    #: What to do where it does not end in time, or fails by an error without advice.
    advice: str
    deadline_s: float = DEADLINE_S


def run_checks(checks: Iterable[Check]) -> Iterator[Finding]:
    """Runs all checks at once; their findings in the order of the checks."""
    for running in [_Running(check) for check in checks]:
        yield from running.findings()


class _Running:
    """A check in its thread."""

    def __init__(self, check: Check) -> None:
        self._check = check
        self._found: list[Finding] = []
        self._over = threading.Event()
        self._ends_s = time.monotonic() + check.deadline_s
        threading.Thread(target=self._run, name=f"check {check.what}", daemon=True).start()

    def findings(self) -> list[Finding]:
        """Waits for the end, or for the deadline."""
        if self._over.wait(max(0.0, self._ends_s - time.monotonic())):
            return self._found
        check = self._check
        late = f"no answer within {check.deadline_s:g} s"
        return [*self._found, failed(check.what, late, check.advice)]

    def _run(self) -> None:
        check = self._check
        try:
            for finding in check.look():
                self._found.append(finding)
        except (ReconcilerError, OSError) as error:
            self._found.append(failed_by(check.what, error, check.advice))
        except Exception as error:  # a check that breaks must not take the others along
            detail = f"the check itself broke: {type(error).__name__}: {error}"
            self._found.append(failed(check.what, detail, "report this as a defect"))
        finally:
            self._over.set()
