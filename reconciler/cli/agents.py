"""The agents as people see them: who is there, who reconciles what, and what each waits for."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from reconciler.cli.terminal import safe
from reconciler.core.lease import UNKNOWN
from reconciler.store.agents import AgentRecord
from reconciler.words.agents import Agents, read
from reconciler.words.times import duration, short

if TYPE_CHECKING:
    from rich.console import RenderableType

    from reconciler.store.connection import Connection


def who_reconciles(connection: Connection, servers: Sequence[str]) -> Iterator[str]:
    """Words about who reconciles each of these servers, and when that agent was heard last."""
    if not servers:
        return
    with connection.transaction() as cursor:
        cursor.execute("select extract(epoch from clock_timestamp())::float8 as now")
        row = cursor.fetchone()
    known = read(connection, 0.0 if row is None else float(row["now"]), 0.0)
    for server in servers:
        agent = known.holder(server)
        if agent is None:
            yield f"{safe(server)} is reconciled by another agent."
            continue
        heard = duration(known.now - agent.heartbeat_at)
        yield (
            f"{safe(server)} is reconciled by {safe(agent.name)} on {safe(agent.host)}"
            f" (pid {agent.pid}), heard {heard} ago."
        )


def table(known: Agents) -> RenderableType:
    """A line for each agent, what it waits for below it, and then the servers that are nobody's."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("agent", "host", "pid", "version", "schema", "heard", "servers (epoch)"):
        shown.add_column(name, overflow="fold", justify="right" if name == "pid" else "left")
    for agent in known.agents:
        style = "" if known.is_alive(agent) else "red"
        shown.add_row(
            Text(safe(agent.name, 20), style),
            safe(agent.host, 20),
            str(agent.pid),
            safe(agent.version, 12),
            safe(agent.revision, 8),
            Text(f"{short(known.now - agent.heartbeat_at)} ago", style),
            _servers(known, agent),
        )
    waiting = [
        Text(f"{safe(agent.name)} waits: {safe(agent.waiting)}", "yellow")
        for agent in known.agents
        if agent.waiting is not None and known.is_alive(agent)
    ]
    names = [lease.server for lease in known.leases if lease.server != UNKNOWN]
    troubles = [Text(words, "yellow") for words in known.unattended(names)]
    return Group(shown, *waiting, *troubles)


def _servers(known: Agents, agent: AgentRecord) -> str:
    held = [f"{_called(lease.server)} ({lease.epoch})" for lease in known.held_by(agent)]
    return ", ".join(held) or known.state(agent)


def _called(server: str) -> str:
    return "unknown server" if server == UNKNOWN else safe(server, 30)
