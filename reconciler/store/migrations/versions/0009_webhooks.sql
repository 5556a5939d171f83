-- Webhooks: who is to be told, and an outbox that is written in the same transaction as the event.

-- One row per endpoint of the settings, by its name; what happened to it since.
create table reconciler.webhooks (
    name        text primary key,
    url         text not null,
    -- Filters; null: everything.
    statuses    text[],
    job_types   text[],
    -- Null: it gets deliveries. Why it does not, in words, and since when.
    disabled_at timestamptz,
    disabled_because text,
    -- Named by no agent's settings any more.
    removed_at  timestamptz
);

create table reconciler.deliveries (
    id          bigint generated always as identity primary key,
    -- The id of the message, the same at each attempt: receivers know by it what they had before.
    message_id  text not null unique,
    webhook     text not null references reconciler.webhooks (name),
    event_id    bigint not null,
    job_id      text not null,
    payload     jsonb not null,
    created_at  timestamptz not null default clock_timestamp(),
    -- waiting, delivered, failed (given up)
    state       text not null default 'waiting',
    attempts    integer not null default 0,
    next_at     timestamptz not null default clock_timestamp(),
    -- Who is at it, until when: a sender that died is no obstacle for longer.
    claimed_until timestamptz,
    last_at     timestamptz,
    last_status integer,
    last_error  text,
    took_s      double precision
);
create index deliveries_due on reconciler.deliveries (next_at, id) where state = 'waiting';
create index deliveries_in_order on reconciler.deliveries (webhook, job_id, id)
    where state = 'waiting';
create index deliveries_job on reconciler.deliveries (job_id, id);
