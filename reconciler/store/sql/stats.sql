-- name: count_words
-- How many rows say what.
select j.{status}::text as word, count(*) as number from {jobs} j group by 1

-- name: endings
-- How jobs ended, by the time: `job_state_decided` finds them.
select floor(extract(epoch from decided_at) / %(bucket_s)s) * %(bucket_s)s::float8 as at,
       known_status as status, failure, count(*) as number
from reconciler.job_state
where decided_at >= to_timestamp(%(since)s) and known_status not in ('queued', 'processing')
group by 1, 2, 3 order by 1, 2, 3

-- name: open_states
-- What is open, by what it waits for. Nobody waits for what is forgotten, here and below.
select known_status as status, rule, server, count(*) as number
from reconciler.job_state where known_status in ('queued', 'processing') and forgotten_at is null
group by 1, 2, 3

-- name: oldest_waiting
select job_id from reconciler.job_state where known_status = 'queued' and forgotten_at is null
order by opened_at, job_id limit %(limit)s

-- name: longest_wait
select extract(epoch from now() - min(opened_at))::float8 as wait_s
from reconciler.job_state where known_status = 'queued' and forgotten_at is null

-- name: events_behind
-- How many events there are behind one, and how old the first of them is.
select count(*) as number, extract(epoch from now() - min(at))::float8 as age_s
from (select at from reconciler.events where id > %(position)s order by id limit 10000) e

-- name: run_times
-- How long prompts that succeeded ran and waited, of those that ended lately.
select job_type, count(*) as number,
       percentile_cont(array[0.5, 0.9]) within group (order by ran_s) as ran_s,
       percentile_cont(array[0.5, 0.9]) within group (order by waited_s) as waited_s
from reconciler.runs where ended_at >= to_timestamp(%(since)s) and kind = 'success'
  and not reused
group by grouping sets ((), (job_type)) order by grouping(job_type) desc, number desc
limit %(limit)s
