"""`reconciler token`: who may use the web interface from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from reconciler.cli import options

if TYPE_CHECKING:
    from rich.table import Table

    from reconciler.store.tokens import TokenRecord

IN_USE = NO_SUCH_TOKEN = 1
USUAL_DAYS, MOST_DAYS, DAY_S = 365, 36_500, 86_400

Name = Annotated[
    str, typer.Argument(metavar="NAME", help="Whose it is: what is asked for is told with it.")
]


def create(
    *,
    name: Name,
    role: Annotated[
        Literal["reader", "operator"],
        typer.Option(help="A reader sees everything; an operator also asks for changes."),
    ] = "reader",
    days: Annotated[
        int, typer.Option(min=1, max=MOST_DAYS, metavar="NUMBER", help="Days that it is valid.")
    ] = USUAL_DAYS,
    forever: Annotated[bool, typer.Option("--forever", help="Valid until it is revoked.")] = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Make a token and print it: nobody can be told it again.

    It goes into the header `Authorization: Bearer TOKEN`, or into the page where one signs in.
    """
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.settings.fields import short_line
    from reconciler.store.tokens import TokenStore

    try:
        short_line(name)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="NAME") from None
    with reading(settings) as store:
        valid_s = None if forever else days * float(DAY_S)
        token = TokenStore(store.connection).create(name, role, valid_s)
    if token is None:
        terminal.warn("error: ", f"there is a token {name!r}: revoke it, or choose another name")
        raise typer.Exit(IN_USE)
    terminal.raw(token)
    until = "until it is revoked" if forever else f"for {days} days"
    terminal.remark(f"A token of {name}, {role}, valid {until}. It is shown this once.")


def list_(
    *,
    json_: options.Json = False,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """List the tokens: whose they are, what they may do, and when they were used."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.tokens import TokenStore

    with reading(settings) as store:
        tokens = TokenStore(store.connection).all()
    if json_:
        terminal.raw(json.dumps([_as_json(token) for token in tokens], indent=2))
    elif tokens:
        terminal.say(_table(tokens))
    else:
        terminal.remark("There is no token: `reconciler token create NAME` makes one.")


def revoke(
    *,
    name: Name,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Revoke a token: within seconds its holder is out, signed-in browsers included."""
    settings = options.load_settings(config, log_level, database=database, data_dir=data_dir)
    from reconciler.cli import terminal
    from reconciler.cli.reading import reading
    from reconciler.store.tokens import TokenStore

    with reading(settings) as store:
        done = TokenStore(store.connection).revoke(name)
    if not done:
        terminal.warn("error: ", f"there is no token {name!r}, or it was revoked already")
        raise typer.Exit(NO_SUCH_TOKEN)
    terminal.remark(f"The token {name} is revoked.")


def _as_json(token: TokenRecord) -> dict[str, Any]:
    from reconciler.words.times import iso

    return {
        "name": token.name,
        "role": token.role,
        "valid": token.is_valid(token.read_at),
        "created_at": iso(token.created_at),
        "expires_at": iso(token.expires_at),
        "revoked_at": iso(token.revoked_at),
        "last_used_at": iso(token.last_used_at),
    }


def _table(tokens: Sequence[TokenRecord]) -> Table:
    from rich.table import Table

    from reconciler.cli.terminal import safe
    from reconciler.words.times import short

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for name in ("name", "role", "made", "used", "valid"):
        table.add_column(name, overflow="fold")
    for token in tokens:
        used_at = token.last_used_at
        table.add_row(
            safe(token.name),
            token.role,
            f"{short(token.read_at - token.created_at)} ago",
            "never" if used_at is None else f"{short(token.read_at - used_at)} ago",
            _validity(token),
        )
    return table


def _validity(token: TokenRecord) -> str:
    from reconciler.words.times import short

    if token.revoked_at is not None:
        return "revoked"
    if token.expires_at is None:
        return "until revoked"
    left_s = token.expires_at - token.read_at
    return f"for {short(left_s)}" if left_s > 0 else "expired"
