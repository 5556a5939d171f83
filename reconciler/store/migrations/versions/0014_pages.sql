-- Jobs in the order in which they were decided, page by page, and endings over a time. The retention
-- asks for final ones by their age: the same index tells.
create index job_state_decided on reconciler.job_state (decided_at, job_id);
drop index reconciler.job_state_ended;
