-- name: view_jobs
-- Rows as people look at them: the table's columns, what we know of each, and the last sentence
-- of its story. The casts are for columns that are absent (null) or of a type of their own.
-- Open ones first, those that run before those that wait, then the newest.
select j.id::text as id, j.status::text as status, j.comfyui_job_id::text as prompt_id,
       {job_type}::text as job_type, {frames}::bigint as frames, {progress}::int as row_progress,
       {output_path}::text as output_path, {error}::text as error,
       extract(epoch from coalesce({created_at}, s.opened_at))::float8 as created_at,
       extract(epoch from {updated_at}::timestamptz)::float8 as updated_at,
       extract(epoch from {completed_at}::timestamptz)::float8 as completed_at,
       s.attempt, extract(epoch from s.opened_at)::float8 as opened_at,
       s.known_status, s.failure, s.stage, s.server, s.queue_position, s.progress, s.eta_s,
       s.rule, s.reason, s.overwritten,
       extract(epoch from s.decided_at)::float8 as decided_at, e.reason as last_words
from {jobs} j
left join reconciler.job_state s on s.job_id = j.id::text
left join lateral (
    select reason from reconciler.events where job_id = s.job_id and kind not in ('linked', 'note')
    order by id desc limit 1
) e on true
{where}
order by case j.status::text when 'processing' then 0 when 'queued' then 1 else 2 end,
         s.queue_position, coalesce({created_at}, s.opened_at) desc nulls last, j.id desc
limit %(limit)s

-- name: known_jobs
-- Which of these are rows, and since when their attempt is open, if we have seen them.
select j.id::text as id, extract(epoch from s.opened_at)::float8 as opened_at
from {jobs} j left join reconciler.job_state s on s.job_id = j.id::text
where j.id::text = any(%(job_ids)s)

-- name: count_jobs
select count(*) as number from {jobs}

-- name: is_prepared
-- Our own tables exist, so somebody has run the service on this database.
select to_regclass('reconciler.job_state') is not null as prepared
