-- What past runs took: from which progress and remaining time of the next ones are learned.
create table reconciler.runs (
    prompt_id   text primary key,
    job_id      text not null,
    server      text not null,
    job_type    text,
    -- The shape of the graph: which nodes, how they are wired, and not what is typed into them.
    workflow    text,
    frames      integer,
    width       integer,
    height      integer,
    ended_at    timestamptz not null,
    -- success, error, interrupted
    kind        text not null,
    waited_s    double precision,
    ran_s       double precision not null,
    -- {node id: {type, seconds}} of those that ran, and the ids of those that were cached.
    nodes       jsonb not null default '{}',
    cached      jsonb not null default '[]'
);
create index runs_of_kind on reconciler.runs (workflow, server, ended_at desc);
create index runs_of_type on reconciler.runs (job_type, ended_at desc);
create index runs_ended on reconciler.runs (ended_at);
create index runs_job on reconciler.runs (job_id);
