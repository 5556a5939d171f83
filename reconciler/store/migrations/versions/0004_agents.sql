-- Several agents on one database: who is there, and who reconciles which server.

-- One row per running process. Agents of later versions read and write these columns, too, since an
-- agent that must wait for another version says so here.
create table reconciler.agents (
    id           text primary key,
    name         text not null,
    host         text not null,
    pid          integer not null,
    version      text not null,
    -- The revision of our own tables that it knows.
    revision     text not null,
    -- The session advisory lock that it holds as long as it is connected; null where it holds none
    -- (behind a transaction pooler): then its heartbeat alone tells whether it lives.
    lock_key     bigint,
    started_at   timestamptz not null default clock_timestamp(),
    heartbeat_at timestamptz not null default clock_timestamp(),
    -- The servers of its settings.
    servers      text[] not null default '{}',
    -- What it waits for, in words; null where it works.
    waiting      text
);

-- Who reconciles a server. '*' stands for the jobs of no known server.
create table reconciler.leases (
    server      text primary key,
    -- Null: nobody's, since it was given back.
    agent       text,
    -- Another one with each holder. As part of a unique index it is a key column: whoever changes it
    -- waits for the writes that hold the row FOR KEY SHARE, and a renewal does not.
    epoch       bigint not null default 0,
    acquired_at timestamptz,
    renewed_at  timestamptz,
    expires_at  timestamptz not null default '-infinity',
    -- When the holder began the last look that was answered cleanly and whose finds are stored.
    looked_at   timestamptz,
    unique (server, epoch)
);

-- Which agent told it; null where it was no agent under lease. The agent's check of its leases,
-- which begins each of its changes, says who it is.
alter table reconciler.events
    add column agent text default nullif(current_setting('agents.writer', true), '');
