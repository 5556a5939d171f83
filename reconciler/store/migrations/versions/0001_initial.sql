-- Our own tables. Times are timestamptz by the database's clock.


-- One row per ComfyUI server, by the name that the settings give it.
create table reconciler.servers (
    name              text primary key,
    url               text not null,
    version           text,
    -- Since when it has not answered, and how: refused, timeout, answer.
    unreachable_since timestamptz,
    unreachable_how   text,
    answered_at       timestamptz,
    -- The output directory as seen last, and what marks its storage: an unmounted one is another.
    output_dir        text,
    output_marker     text
);

-- What we know of a job beyond its row. A job is a row of the jobs table; its key is kept as text.
create table reconciler.job_state (
    job_id         text primary key,
    -- Counts the times that a final row was reopened.
    attempt        integer not null default 1,
    opened_at      timestamptz not null default now(),
    -- The status that the row had when we last wrote or read it.
    known_status   text not null,
    -- Why it failed; null unless we failed it.
    failure        text,
    stage          text,
    server         text,
    queue_position integer,
    progress       integer,
    eta_s          double precision,
    rule           text,
    reason         text,
    -- How often something reopened the row that the evidence closed again at once.
    overwritten    integer not null default 0,
    -- The decisive instant of the last verdict: how long late successes are looked for.
    decided_at     timestamptz not null default now()
);
create index job_state_failed on reconciler.job_state (decided_at) where failure is not null;
-- Asked for every second, among all the jobs that ever were.
create index job_state_open on reconciler.job_state (job_id)
    where known_status in ('queued', 'processing');

-- The prompts of a job's attempts, with the clocks that must survive a restart.
create table reconciler.prompts (
    prompt_id         text primary key,
    job_id            text not null,
    attempt           integer not null,
    server            text,
    client_id         text,
    output_nodes      integer,
    linked_at         timestamptz not null default now(),
    ever_seen         boolean not null default false,
    running_since     timestamptz,
    last_sign_at      timestamptz,
    missing_looks     integer not null default 0,
    missing_since     timestamptz,
    -- Once seen, an ending stays evidence, whatever the server forgets later.
    ending            jsonb,
    ending_seen_at    timestamptz,
    interrupted_by_us boolean not null default false
);
create index prompts_job on reconciler.prompts (job_id, attempt);

-- Every output file that was inspected. Paths are bytes, as file systems have them.
create table reconciler.outputs (
    path         bytea primary key,
    server       text not null,
    -- Whose file it is; null = nobody's that we know of.
    job_id       text,
    prompt_id    text,
    size_bytes   bigint not null,
    mtime_ns     bigint not null,
    inode        numeric(20) not null,
    inspection   jsonb not null,
    sound        boolean not null,
    tag_job_id   text,
    tag_prompt_id text,
    inspected_at timestamptz not null default now(),
    -- First inspection that found this very file (size, time, inode) unsound.
    unsound_since timestamptz,
    -- Damaged still when inspected again, far enough apart.
    confirmed    boolean not null default false,
    thumbnail    bytea
);
create index outputs_job on reconciler.outputs (job_id);
create index outputs_tag on reconciler.outputs (tag_job_id) where tag_job_id is not null;

-- The story of every job: append-only.
create table reconciler.events (
    id          bigint generated always as identity primary key,
    at          timestamptz not null default clock_timestamp(),
    job_id      text not null,
    attempt     integer not null,
    -- seen, linked, status, stage, reopened, overwritten, application, late_success, warning
    kind        text not null,
    from_status text,
    to_status   text,
    failure     text,
    rule        text,
    reason      text not null,
    evidence    jsonb not null default '{}'
);
create index events_job on reconciler.events (job_id, id);

create function reconciler.refuse_change() returns trigger language plpgsql as $$
begin
    raise exception 'reconciler.events is append-only';
end $$;
create trigger events_append_only before update or delete on reconciler.events
    for each row execute function reconciler.refuse_change();
