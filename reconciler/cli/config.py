"""`reconciler config`: the settings as they are read."""

from __future__ import annotations

from reconciler.cli import options


def show(
    *,
    server: options.Server = None,
    output_dir: options.OutputDir = None,
    stored_path: options.StoredPath = None,
    database: options.Database = None,
    data_dir: options.DataDir = None,
    config: options.Config = None,
    log_level: options.Log = None,
) -> None:
    """Show every setting as YAML, secrets hidden, and where the settings came from."""
    settings = options.load_settings(
        config,
        log_level,
        server=server,
        output_dir=output_dir,
        stored_path=stored_path,
        database=database,
        data_dir=data_dir,
    )
    import yaml

    from reconciler.cli.terminal import raw, safe

    raw(f"# From {safe(settings.source)}.")
    raw(yaml.safe_dump(settings.shown(), sort_keys=False, allow_unicode=True).rstrip())


def check(*, config: options.Config = None, log_level: options.Log = None) -> None:
    """Check the settings: every mistake with its file, line and the nearest right key.

    What the settings name (servers, directories, the database) is checked by `reconciler doctor`.
    """
    settings = options.load_settings(config, log_level)
    from reconciler.cli.terminal import raw, safe
    from reconciler.words.times import counted

    servers = counted(len(settings.servers), "server")
    raw(f"The settings are right: {servers}, {safe(settings.source)}.")
