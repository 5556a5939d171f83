"""`python -m tests.faults.newer_version run ...`: the reconciler with one migration more.

Its own copy of the migrations lies in a temporary folder.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path

from reconciler.cli.app import main
from reconciler.store import revision, schema

NEWER = "9999"
_MIGRATION = """
from alembic import op

revision = "9999"
down_revision = {before!r}


def upgrade() -> None:
    op.execute("create table {schema}.of_a_newer_version (nothing integer)")
"""


def with_one_more() -> Path:
    """A copy of the migrations with one more."""
    folder = Path(tempfile.mkdtemp(prefix="newer-")) / "migrations"
    shutil.copytree(schema._MIGRATIONS, folder)
    text = _MIGRATION.format(before=revision.newest_revision(), schema="reconciler")
    (folder / "versions" / f"{NEWER}_of_a_newer_version.py").write_text(text, encoding="utf-8")
    return folder


if __name__ == "__main__":
    os.environ.setdefault("PYTHONDONTWRITEBYTECODE", "1")
    migrations = with_one_more()
    schema._MIGRATIONS = migrations
    revision.VERSIONS = migrations / "versions"
    main()
