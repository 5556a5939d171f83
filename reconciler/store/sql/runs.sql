-- name: save_runs
-- A prompt's run is noted once. What is told later of the same run adds to it; a later run under the
-- same id, which ended later, takes its place.
insert into reconciler.runs as r
    (prompt_id, job_id, attempt, server, job_type, workflow, frames, width, height, steps, ended_at,
     kind, waited_s, ran_s, nodes, cached, nodes_by, reused)
select prompt_id, job_id, attempt, server, job_type, workflow, frames, width, height, steps,
       to_timestamp(ended_at), kind, waited_s, ran_s, nodes, cached, nodes_by, reused
from jsonb_to_recordset(%(runs)s) as w(
    prompt_id text, job_id text, attempt integer, server text, job_type text, workflow text,
    frames integer, width integer, height integer, steps integer, ended_at double precision,
    kind text, waited_s double precision, ran_s double precision, nodes jsonb, cached jsonb,
    nodes_by text, reused boolean)
on conflict (prompt_id) do update
set job_id = excluded.job_id, attempt = excluded.attempt, server = excluded.server,
    job_type = excluded.job_type, workflow = coalesce(excluded.workflow, r.workflow),
    frames = excluded.frames, width = excluded.width, height = excluded.height,
    steps = excluded.steps, ended_at = excluded.ended_at, noted_at = clock_timestamp(),
    kind = excluded.kind, waited_s = excluded.waited_s, ran_s = excluded.ran_s,
    nodes = excluded.nodes, cached = excluded.cached, nodes_by = excluded.nodes_by,
    reused = excluded.reused
where excluded.nodes_by = 'manifest' and r.nodes_by is distinct from 'manifest'
   or excluded.ended_at > r.ended_at + interval '1 s'

-- name: newest_runs
-- The newest of each workflow and job type on each server, the oldest first.
select {run} from (
    select r.*, row_number() over (
        partition by r.workflow, r.job_type, r.server order by r.ended_at desc) as place
    from (select * from reconciler.runs r where r.kind = 'success' and not r.reused
          order by r.ended_at desc limit %(limit)s) r
) r where r.place <= %(of_each)s order by r.ended_at

-- name: runs_noted_since
-- Transactions that began earlier may commit later: ask from some seconds before.
select {run} from reconciler.runs r
where r.noted_at > to_timestamp(%(since)s) and r.kind = 'success' and not r.reused
order by r.ended_at limit %(limit)s

-- name: runs_of_job
select {run} from reconciler.runs r where r.job_id = %(job_id)s
order by r.ended_at desc limit %(limit)s

-- name: runs_like
-- Of the same workflow, the newest first.
select {run} from reconciler.runs r
where r.workflow = %(workflow)s and r.kind = 'success' and not r.reused and r.prompt_id <> %(prompt_id)s
order by r.ended_at desc limit %(limit)s

-- name: delete_runs
delete from reconciler.runs where prompt_id in (
    select prompt_id from reconciler.runs where ended_at < %(cutoff)s
    order by ended_at limit %(batch)s)
