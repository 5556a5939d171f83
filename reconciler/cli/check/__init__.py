"""`reconciler check`: the inspection of files, alone: without a database, a server or a service."""

from reconciler.cli.check.command import check

__all__ = ["check"]
