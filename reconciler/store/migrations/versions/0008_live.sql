-- For whoever watches live: progress is no event, and is told by what changed last.
alter table reconciler.job_state
    -- By the clock of the write, not of the transaction's begin: readers look back a little.
    add column changed_at timestamptz not null default clock_timestamp(),
    -- As its row says it: for filters, statistics and what is learned.
    add column job_type text;
