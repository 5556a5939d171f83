"""Alembic's entry: runs the migrations on the connection that `store.schema` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="migrations",
    version_table_schema="reconciler",
)
with context.begin_transaction():
    context.run_migrations()
