"""The retention as a service does it: of what its leases cover, between its passes."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from reconciler.outputs.mounts import storage_marker
from reconciler.retention.deliveries import Deliveries
from reconciler.retention.directory import Directory
from reconciler.retention.events import Events
from reconciler.retention.jobs import Jobs
from reconciler.retention.keeper import Keeper, Quiet
from reconciler.retention.manifests import Manifests
from reconciler.retention.outputs import Outputs
from reconciler.retention.runs import Runs
from reconciler.retention.task import Keep, Task
from reconciler.retention.thumbnails import Thumbnails
from reconciler.service.attending import Attended
from reconciler.service.tenure import Tenure
from reconciler.settings import ServerSettings, Settings
from reconciler.store import Store
from reconciler.store.leases import Guarded
from reconciler.store.retention import RetentionStore

_DAY_S = 86_400.0


def keeper_of(
    settings: Settings, store: Store, attended: Attended, tenure: Tenure, passing: Quiet
) -> Keeper:
    """What removes what nobody may need any more. Who holds the lease for jobs of no known server
    does it for the tables; each server's own agent for the files of its directory."""
    guarded = Guarded(store.connection, lambda cursor: None)
    rows = guarded if store.databases.is_one else store.databases.rows

    def holds(server: str) -> bool:
        leases = frozenset(lease for lease in tenure.trusted() if lease.server == server)
        guarded.guard = tenure.guard(leases)
        return bool(leases)

    tasks = tasks_of(settings, RetentionStore(guarded, rows, store.table), attended)
    return Keeper(tasks, settings.retention.interval_s, holds, passing)


def tasks_of(settings: Settings, store: RetentionStore, attended: Attended) -> list[Task]:
    """One for each kind of things, and for each directory."""
    kept = settings.retention
    keep = partial(Keep, settled_s=settings.verdicts.late_success_s + _DAY_S)
    tasks: list[Task] = [
        Jobs(store, keep(kept.jobs_days)),
        Events(store, keep(kept.events_days, kept.events_count)),
        Thumbnails(store, keep(kept.thumbnails_days, kept.thumbnails_count)),
        Deliveries(store, keep(kept.deliveries_days, kept.deliveries_count)),
        Runs(store, keep(kept.runs_days, kept.runs_count)),
    ]
    for server in settings.servers:
        if server.output_dir is not None:
            directory = _directory(server, server.output_dir.absolute(), attended)
            tasks += [
                Outputs(store, keep(kept.outputs_days, kept.outputs_count), directory),
                Manifests(store, keep(kept.manifests_days, kept.manifests_count), directory),
            ]
    return tasks


def _directory(server: ServerSettings, root: Path, attended: Attended) -> Directory:
    def is_there() -> bool:
        """It is the storage that the passes found healthy last."""
        watched = attended.servers.get(server.name)
        if watched is None or not watched.storage_answers():
            return False
        known = watched.record.output_marker
        return known is not None and storage_marker(root) == known

    return Directory(server.name, root, is_there)
