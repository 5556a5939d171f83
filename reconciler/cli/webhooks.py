"""`reconciler webhooks`: who is told, what became of each delivery, and sending it again."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any, Literal, NoReturn

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from reconciler.store.deliveries import Delivery, DeliveryStore
    from reconciler.store.webhooks import EndpointRecord

NOT_DONE, NO_SUCH = 1, 2
#: How often is looked whether a test was delivered, in seconds.
_LOOK_S = 0.2

Name = Annotated[str, typer.Argument(metavar="NAME", help="The endpoint, as the settings name it.")]


def list_(
    *,
    json_: options.Json = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """List the endpoints: whether they get anything, what waits for them, and what they want."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.webhooks import WebhookStore

    with reading(settings) as store:
        endpoints = WebhookStore(store.connection).all()
        now = store.jobs.now()
    if json_:
        shown = [_as_json(asdict(one)) | {"state": one.state} for one in endpoints]
        terminal.raw(json.dumps(shown, indent=2))
    elif endpoints:
        terminal.say(_endpoints(endpoints, now))
        for one in endpoints:
            if one.disabled_because is not None and one.removed_at is None:
                terminal.warn(f"{one.name} is disabled: ", one.disabled_because)
    else:
        terminal.remark(
            "No endpoint: list them under `webhooks` in the settings, and start the service."
        )


def deliveries(
    *,
    webhook: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="Only to this endpoint.", show_default=False),
    ] = None,
    state: Annotated[
        Literal["waiting", "delivered", "failed"] | None,
        typer.Option(help="Only those.", show_default=False),
    ] = None,
    job: Annotated[
        str | None, typer.Option(metavar="ID", help="Only of this job.", show_default=False)
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=10_000, metavar="NUMBER", help="How many at most.")
    ] = 25,
    json_: options.Json = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """List deliveries, the newest first, and what came of each."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.deliveries import DeliveryFilter, DeliveryStore

    with reading(settings) as store:
        which = DeliveryFilter(webhook, state, job)
        found = DeliveryStore(store.connection).page(limit, which=which)
        now = store.jobs.now()
    if json_:
        terminal.raw(json.dumps([_as_json(asdict(one)) for one in found], indent=2))
    elif found:
        terminal.say(_deliveries(found, now))
    else:
        terminal.remark("No deliveries.")


def test(
    *,
    name: Name,
    wait_s: Annotated[
        float,
        typer.Option(min=0, max=3600, metavar="SECONDS", help="Wait so long for the answer."),
    ] = 20.0,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Send a test, which tells of nothing, through the running service; also where the endpoint is
    disabled."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.deliveries import DeliveryStore

    with reading(settings) as store:
        kept = DeliveryStore(store.connection)
        sent = kept.test(name)
        if sent is None:
            _no_such(name)
        tried = _tried(kept, sent, wait_s)
    if tried is not None and tried.state == "delivered":
        terminal.remark(f"Delivered: it answered {tried.last_status} in {tried.took_s or 0:.2f} s.")
        return
    why = tried.last_error if tried else "nobody has tried: does a service with it run?"
    terminal.warn("not delivered: ", why or "no answer")
    raise typer.Exit(NOT_DONE)


def replay(
    *,
    ids: Annotated[
        list[int] | None, typer.Argument(metavar="ID...", help="Deliveries, by their numbers.")
    ] = None,
    failed: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="All that was given up for this endpoint.", show_default=False
        ),
    ] = None,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Send deliveries again, under the same message ids: receivers know what they had before."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.deliveries import DeliveryStore
    from reconciler.words.times import counted

    if not ids and failed is None:
        raise typer.BadParameter("name deliveries, or --failed NAME")
    with reading(settings) as store:
        kept = DeliveryStore(store.connection)
        done = kept.replay([one for one in ids or () if 0 < one < 2**63])
        done += [] if failed is None else kept.replay_failed(failed)
    if left := sorted(set(ids or ()) - set(done)):
        listed = ", ".join(map(str, left))
        terminal.warn("not replayed: ", f"{listed}: no such delivery, or it is waiting already")
    terminal.remark(f"{counted(len(done), 'message')} will be sent again.")
    if left:
        raise typer.Exit(NOT_DONE)


def enable(
    *,
    name: Name,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Send to an endpoint again; what waits for it at once."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.webhooks import WebhookStore

    with reading(settings) as store:
        done = WebhookStore(store.connection).enable(name)
    if not done:
        _no_such(name)
    terminal.remark(f"{name} is enabled.")


def disable(
    *,
    name: Name,
    because: Annotated[
        str, typer.Option(metavar="WORDS", help="Why; shown wherever the endpoint is.")
    ] = "somebody disabled it",
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Send nothing to an endpoint: what waits stays, what happens meanwhile is not put in."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.webhooks import WebhookStore

    with reading(settings) as store:
        done = WebhookStore(store.connection).disable(name, because)
    if not done:
        _no_such(name)
    terminal.remark(f"{name} is disabled.")


def _no_such(name: str) -> NoReturn:
    from reconciler.cli.terminal import warn

    warn("error: ", f"there is no endpoint {name!r}: `reconciler webhooks list` tells which are")
    raise typer.Exit(NO_SUCH)


def _tried(kept: DeliveryStore, delivery: int, wait_s: float) -> Delivery | None:
    """The delivery once it has been tried; None where that takes longer."""
    deadline_s = time.monotonic() + wait_s
    while True:
        one = kept.one(delivery)
        if one is not None and one.last_at is not None:
            return one
        if time.monotonic() >= deadline_s:
            return None
        time.sleep(_LOOK_S)


def _as_json(values: dict[str, Any]) -> dict[str, Any]:
    from reconciler.words.times import iso

    return {name: iso(v) if name.endswith("_at") else v for name, v in values.items()}


def _endpoints(endpoints: Sequence[EndpointRecord], now: float) -> Table:
    from reconciler.words.times import short

    table = _grid("name", "state", "waiting", "told of", "url", wide=2)
    for one in endpoints:
        age = "" if one.oldest_at is None else f", {short(now - one.oldest_at)}"
        _row(table, one.name, one.state, f"{one.waiting}{age}", _wants(one), one.url)
    return table


def _wants(one: EndpointRecord) -> str:
    of = [one.events, *(one.statuses or ())]
    return ", ".join([*of, *(f"type {pattern}" for pattern in one.job_types or ())])


def _deliveries(found: Sequence[Delivery], now: float) -> Table:
    from reconciler.words.times import short

    table = _grid("id", "age", "to", "job", "type", "state", "what came of it")
    for one in found:
        age = short(now - one.created_at)
        _row(
            table, str(one.id), age, one.webhook, one.job_id or "", one.type, one.state,
            _outcome(one, now),
        )  # fmt: skip
    return table


def _outcome(one: Delivery, now: float) -> str:
    from reconciler.words.times import short

    if one.sending:
        return "being sent"
    if one.state == "delivered":
        return f"{one.last_status} in {one.took_s or 0:.2f} s"
    words = one.last_error or ""
    if one.next_at is not None and one.attempts:
        words = f"again in {short(one.next_at - now)}; attempt {one.attempts}: {words}"
    return words


def _grid(*names: str, wide: int = 1) -> Table:
    """A table whose last `wide` columns take as many lines as they need."""
    from rich.table import Table

    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="bold")
    for number, name in enumerate(names, start=1 + wide - len(names)):
        folds = number > 0
        table.add_column(name, no_wrap=not folds, overflow="fold" if folds else "ellipsis")
    return table


def _row(table: Table, *cells: str) -> None:
    from rich.text import Text

    from reconciler.cli.terminal import safe

    limits = [14 if column.no_wrap else 300 for column in table.columns]
    shown = zip(cells, limits, strict=True)
    table.add_row(*(Text(safe(cell, limit)) for cell, limit in shown))
