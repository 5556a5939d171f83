"""The three shapes that one studio's table `production_jobs` had over time, and their mappings.

Each was made by its application, long before a reconciler came: a test inserts as it does, and
reads what it would read.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class StudioTable:
    """A table as its application makes it."""

    #: Which of the three it is.
    name: str
    #: What the application runs once.
    ddl: str
    #: The section `jobs` of the settings that fits it.
    mapping: Mapping[str, Any]
    #: What the application sets in each new row, beside the prompt's id.
    new_row: Mapping[str, Any]
    #: The application's names of the columns that a test asks for.
    prompt_id: str | None = "comfyui_job_id"
    output_path: str | None = "output_path"
    error: str | None = "error"
    #: Words of the application that a test asks for, by status.
    words: Mapping[str, str] = field(default_factory=dict)


#: Serial key, times without a zone, and a trigger that says when a row was changed.
WITH_TRIGGER = StudioTable(
    name="with_trigger",
    ddl="""
    create table production_jobs (
        id serial primary key,
        project_id varchar(50) not null,
        comfyui_job_id varchar(255) unique,
        job_type varchar(100) not null,
        prompt text,
        style varchar(100),
        frames integer default 120,
        status varchar(50) default 'pending',
        progress integer default 0,
        output_path text,
        error text,
        created_at timestamp default current_timestamp,
        updated_at timestamp default current_timestamp,
        completed_at timestamp,
        metadata jsonb default '{}'
    );
    create function touch_updated_at() returns trigger language plpgsql as $$
    begin
        new.updated_at = current_timestamp;
        return new;
    end $$;
    create trigger production_jobs_updated_at before update on production_jobs
        for each row execute function touch_updated_at();
    """,
    mapping={"statuses": {"queued": ["pending", "queued"]}},
    new_row={"project_id": "tokyo-01", "job_type": "video", "prompt": "a street at night"},
    words={"queued": "pending"},
)

#: Text keys given by the application, parameters in jsonb, progress as a fraction, and no place for
#: a prompt's id: only tags tell which prompt is a row's.
WITH_PARAMETERS = StudioTable(
    name="with_parameters",
    ddl="""
    create table production_jobs (
        id text primary key,
        project_id integer,
        job_type text,
        prompt text,
        parameters jsonb,
        status text default 'pending',
        progress float default 0.0,
        result_path text,
        error_message text,
        created_at timestamp default now(),
        completed_at timestamp
    );
    """,
    mapping={
        "columns": {
            "prompt_id": False,
            "frames": {"column": "parameters", "path": ["frames"]},
            "output_path": "result_path",
            "error": "error_message",
        },
        "statuses": {"queued": "pending"},
        "progress": "fraction",
    },
    new_row={"project_id": 7, "job_type": "video", "prompt": "a street at night"},
    prompt_id=None,
    output_path="result_path",
    error="error_message",
    words={"queued": "pending"},
)

#: The least that an application can do with.
BARE = StudioTable(
    name="bare",
    ddl="""
    create table production_jobs (
        id serial primary key,
        comfyui_job_id text,
        status text default 'pending',
        prompt text,
        created_at timestamp default current_timestamp
    );
    """,
    mapping={"statuses": {"queued": "pending"}},
    new_row={"prompt": "a street at night"},
    output_path=None,
    error=None,
    words={"queued": "pending"},
)

STUDIO_TABLES = (WITH_TRIGGER, WITH_PARAMETERS, BARE)
