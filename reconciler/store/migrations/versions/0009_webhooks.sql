-- Webhooks: who is to be told, and an outbox that is written in the same transaction as the event.

-- One row per endpoint of the settings, by its name; what happened to it since.
create table reconciler.webhooks (
    name        text primary key,
    url         text not null,
    -- What it is told of: endings, changes (of the status), all. Other filters; null: everything.
    events      text not null,
    statuses    text[],
    -- Those of the settings, and the same as ILIKE has them.
    job_types   text[],
    job_type_patterns text[],
    -- The agents whose settings name it. Nobody: it is removed.
    named_by    text[] not null default '{}',
    removed_at  timestamptz,
    -- Null: it gets deliveries. Why it does not, in words, and since when.
    disabled_at timestamptz,
    disabled_because text
);

-- What an endpoint is to be told. Each row is written with its event.
create table reconciler.deliveries (
    id          bigint generated always as identity primary key,
    -- The id of the message, the same at each attempt: receivers know by it what they had before.
    message_id  text not null unique default 'msg_' || replace(gen_random_uuid()::text, '-', ''),
    webhook     text not null,
    -- Null: a test, of no event.
    event_id    bigint,
    job_id      text,
    -- As receivers see it: job.completed.
    type        text not null,
    payload     jsonb not null,
    created_at  timestamptz not null default clock_timestamp(),
    -- waiting, delivered, failed (given up)
    state       text not null default 'waiting',
    -- Since when it is tried: a replay begins anew.
    waiting_since timestamptz not null default clock_timestamp(),
    attempts    integer not null default 0,
    next_at     timestamptz not null default clock_timestamp(),
    -- Somebody is at it until then: a sender that died is no obstacle for longer.
    claimed_until timestamptz,
    last_at     timestamptz,
    last_status integer,
    last_error  text,
    -- The beginning of what the endpoint answered.
    last_answer text,
    took_s      double precision
);
create index deliveries_due on reconciler.deliveries (webhook, next_at, id)
    where state = 'waiting';
create index deliveries_in_order on reconciler.deliveries (webhook, job_id, id)
    where state = 'waiting';
create index deliveries_job on reconciler.deliveries (job_id, id);
create index deliveries_old on reconciler.deliveries (created_at) where state <> 'waiting';
