-- Where the jobs table is in another database, a row is committed before our own tables are: what
-- is about to be written is noted first, so that a crash between the two is told from a change that
-- the application made.
alter table reconciler.job_state add column intended jsonb;
create index job_state_intended on reconciler.job_state (job_id) where intended is not null;
