"""Alembic's entry: runs the migrations on the connection that `store.schema` hands over."""

from alembic import context

context.configure(
    connection=context.config.attributes["connection"],
    version_table="migrations",
    version_table_schema=context.config.attributes["own_schema"],
)
with context.begin_transaction():
    context.run_migrations()
