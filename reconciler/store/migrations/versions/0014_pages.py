"""Lists of jobs, page by page, in the order of an index."""

from pathlib import Path

from alembic import op

revision = "0014"
down_revision = "0013"


def upgrade() -> None:
    # As the driver's own text: SQLAlchemy would take a colon for a parameter.
    op.get_bind().exec_driver_sql(Path(__file__).with_suffix(".sql").read_text(encoding="utf-8"))
