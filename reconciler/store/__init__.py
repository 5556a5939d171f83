"""Postgres: the jobs table, our own tables, and the embedded server."""
