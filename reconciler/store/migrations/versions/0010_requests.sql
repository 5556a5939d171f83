-- What people ask of the service about a job: carried out, and answered, by the agent that judges it.
create table reconciler.requests (
    id           bigint generated always as identity primary key,
    job_id       text not null,
    -- cancel, forget, recheck, accept
    action       text not null,
    -- Of which attempt it was asked; null where the row was not seen yet.
    attempt      integer,
    -- Who asked, in words: the name of a token, or 'the command line'.
    asked_by     text not null,
    asked_at     timestamptz not null default clock_timestamp(),
    -- Null: not answered yet.
    answered_at  timestamptz,
    -- done or refused, and why in one sentence.
    outcome      text check (outcome in ('done', 'refused')),
    answer       text
);
create index requests_open on reconciler.requests (job_id) where answered_at is null;
create index requests_job on reconciler.requests (job_id, id);

-- Nobody wants to hear of it any more: an open job that is not watched, a file that is no orphan.
alter table reconciler.job_state add column forgotten_at timestamptz;
alter table reconciler.outputs add column forgotten_at timestamptz;
