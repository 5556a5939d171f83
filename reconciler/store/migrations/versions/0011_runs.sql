-- What past runs took: from which progress and remaining time of the next ones are learned.
create table reconciler.runs (
    prompt_id   text primary key,
    job_id      text not null,
    attempt     integer not null,
    server      text not null,
    job_type    text,
    -- The shape of the graph: which nodes, how they are wired, and not what is typed into them.
    workflow    text,
    frames      integer,
    width       integer,
    height      integer,
    steps       integer,
    ended_at    timestamptz not null,
    -- When it was stored: what is new to whoever has read up to here.
    noted_at    timestamptz not null default clock_timestamp(),
    -- success, error, interrupted
    kind        text not null,
    waited_s    double precision,
    ran_s       double precision not null,
    -- [[node id, type, seconds], ...] of those that ran, in the order in which they ended, and the
    -- ids of those that were cached.
    nodes       jsonb not null default '[]',
    cached      jsonb not null default '[]',
    -- Who told of the nodes: manifest, heard (on the websocket), or nobody.
    nodes_by    text,
    -- All of it was answered from the cache: it says nothing of how long such a run takes.
    reused      boolean not null default false
);
create index runs_of_workflow on reconciler.runs (workflow, ended_at desc);
create index runs_ended on reconciler.runs (ended_at);
create index runs_noted on reconciler.runs (noted_at);
create index runs_job on reconciler.runs (job_id);

-- What nine of ten such jobs do not exceed; `eta_s` is the median.
alter table reconciler.job_state
    add column eta_high_s double precision,
    -- Until a waiting prompt begins, as is expected.
    add column wait_s double precision;
