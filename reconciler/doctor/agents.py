"""The agents on the database: who reconciles what, who waits, and what nobody reconciles."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reconciler.core.lease import UNKNOWN
from reconciler.core.words import duration
from reconciler.doctor.finding import Finding, ok, warning
from reconciler.errors import DatabaseError
from reconciler.settings import Settings
from reconciler.store.agents import AgentRecord, AgentStore
from reconciler.store.connection import Connection
from reconciler.store.leases import LeaseRecord, all_leases

_WHAT = "agents"


def check_agents(connection: Connection, settings: Settings) -> Iterator[Finding]:
    """What the agents tell of themselves; nothing where there has been none yet."""
    try:
        agents = AgentStore(connection).all()
        if not agents:
            return
        leases, now = all_leases(connection), _now(connection)
    except DatabaseError:
        return  # rights, or another version of our tables: told by the check of the schema
    for agent in agents:
        held = [lease.server for lease in leases if lease.agent == agent.id and lease.live]
        yield judge_agent(agent, held, now - agent.heartbeat_at, settings.agent.takeover_s)
    names = [server.name for server in settings.servers]
    yield from judge_leases(leases, names)


def judge_agent(
    agent: AgentRecord, held: Sequence[str], silent_s: float, takeover_s: float
) -> Finding:
    """One agent: it works, waits, or has not been heard."""
    who = f"{agent.name} on {agent.host} (pid {agent.pid}, version {agent.version})"
    if silent_s >= takeover_s:
        return warning(
            _WHAT,
            f"{who} has not been heard for {duration(silent_s)}",
            "see whether that host and its network are well; what it had, others take over",
        )
    if agent.waiting is not None:
        return warning(_WHAT, f"{who} waits: {agent.waiting}", "upgrade the older ones")
    servers = [server for server in held if server != UNKNOWN]
    does = f"reconciles {', '.join(servers)}" if servers else "stands by"
    return ok(_WHAT, f"{who} {does}")


def judge_leases(leases: Sequence[LeaseRecord], names: Sequence[str]) -> Iterator[Finding]:
    """Servers of the settings that had an agent and have none now."""
    idle = [lease.server for lease in leases if lease.server in names and not lease.live]
    if idle:
        yield warning(
            _WHAT,
            f"nobody reconciles {', '.join(idle)}",
            "start the service on the host that is to do it (`reconciler run`)",
        )


def _now(connection: Connection) -> float:
    with connection.transaction() as cursor:
        cursor.execute("select extract(epoch from clock_timestamp())::float8 as now")
        row = cursor.fetchone()
    return 0.0 if row is None else float(row["now"])
