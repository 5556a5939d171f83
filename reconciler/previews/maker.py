"""Makes pictures in the background, one at a time, and never before a verdict."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

import structlog

from reconciler.errors import InspectionError, OutputError
from reconciler.outputs.limits import Limits
from reconciler.outputs.picture import PictureOrder
from reconciler.outputs.pool import Inspectors
from reconciler.previews.cache import PictureCache
from reconciler.previews.known_files import KnownFiles
from reconciler.previews.refusals import NotMade, TooMany
from reconciler.store.output_ids import KnownOutput

log = structlog.get_logger(__name__)

#: What could not be made is not tried again for so many seconds.
AGAIN_S = 600.0
_MAX_FAILURES = 1000
#: After so many seconds without work the decoding process ends.
IDLE_S = 30.0
#: Between two looks whether a verdict waits still, in seconds.
_STAND_BACK_S = 0.2

_Task = tuple[KnownOutput, PictureOrder]


class PictureMaker:
    """Has pictures made by a confined process, which is there only while there is work.

    The same picture asked for twice is one task. Thread-safe.
    """

    def __init__(
        self,
        files: KnownFiles,
        cache: PictureCache,
        limits: Limits,
        *,
        most_waiting: int,
        stands_back: Callable[[], bool] = lambda: False,
    ) -> None:
        """`stands_back` tells whether something more urgent is to be decoded now."""
        self._files = files
        self._cache = cache
        self._limits = limits
        self._most_waiting = most_waiting
        self._stands_back = stands_back
        self._changed = threading.Condition()
        #: By the picture's name; the first is made next, or is being made.
        self._tasks: OrderedDict[str, _Task] = OrderedDict()
        #: By the picture's name: until when it is not tried again (monotonic), and why.
        self._failures: OrderedDict[str, tuple[float, str]] = OrderedDict()
        self._thread: threading.Thread | None = None
        self._pool: Inspectors | None = None
        self._closed = False

    def ask(self, name: str, output: KnownOutput, order: PictureOrder) -> bytes | None:
        """The picture that is kept as `name`; None: it will be made, ask again.

        Raises what `KnownFiles.open` raises, NotMade where it was tried in vain, and TooMany.
        """
        if (picture := self._cache.get(name)) is not None:
            return picture
        self._files.open(output).close()
        with self._changed:
            if (failure := self._failures.get(name)) and time.monotonic() < failure[0]:
                raise NotMade(failure[1])
            if self._closed:
                raise TooMany("no more previews are made: this process is stopping")
            if name in self._tasks:
                return None
            if (picture := self._cache.get(name)) is not None:  # made since it was looked for
                return picture
            if len(self._tasks) >= self._most_waiting:
                raise TooMany("as many previews as may wait are waiting: ask again in a while")
            self._tasks[name] = (output, order)
            self._begin()
        return None

    def close(self) -> None:
        """Ends what is being made, and makes nothing more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
            thread, pool = self._thread, self._pool
        if pool is not None:
            pool.close()
        if thread is not None:
            thread.join()

    def _begin(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="previews", daemon=True)
            self._thread.start()
        self._changed.notify_all()

    def _run(self) -> None:
        pool = Inspectors(1, self._limits)
        with self._changed:
            self._pool = pool
        try:
            while (task := self._next()) is not None:
                self._make(pool, *task)
        finally:
            pool.close()

    def _next(self) -> tuple[str, _Task] | None:
        """What is to be made now; None when it is time to end: then the thread is forgotten."""
        with self._changed:
            if not self._changed.wait_for(lambda: self._tasks or self._closed, IDLE_S):
                self._thread = None
                return None
            while not self._closed and self._stands_back():
                self._changed.wait(_STAND_BACK_S)
            return None if self._closed else next(iter(self._tasks.items()))

    def _make(self, pool: Inspectors, name: str, task: _Task) -> None:
        failure = None
        try:
            with self._files.open(task[0]) as file:
                self._cache.put(name, pool.picture(file.fileno(), task[1]))
        except (InspectionError, OutputError) as error:
            failure = f"it could not be made: {error}"
        except OSError as error:
            failure = f"it cannot be kept under data_dir/previews: {error.strerror or error}"
        except Exception as error:  # a defect of ours must not end the making of all others
            log.exception("a preview could not be made")
            failure = f"it could not be made: {type(error).__name__}"
        with self._changed:
            self._tasks.pop(name, None)
            if failure is not None and not self._closed:
                self._failures[name] = (time.monotonic() + AGAIN_S, failure)
                self._failures.move_to_end(name)
                if len(self._failures) > _MAX_FAILURES:
                    self._failures.popitem(last=False)
