-- name: failures_by_cause
-- The newest failures of our own verdict, grouped: by the node and the exception where a node
-- raised, else by the first thing that was wrong, whatever its file and its numbers were.
with recent as (
    select s.job_id, s.attempt, s.failure, s.decided_at,
           coalesce(w.reason, s.reason, '') as reason
    from (
        select * from reconciler.job_state
        where failure is not null and known_status = 'failed'
          and decided_at >= to_timestamp(%(since)s)
        order by decided_at desc limit %(most)s
    ) s
    left join lateral (
        select e.reason from reconciler.events e
        where e.job_id = s.job_id and e.to_status = 'failed' order by e.id desc limit 1
    ) w on true
), told as (
    select r.*, case
        when r.failure in ('execution_error', 'out_of_memory') then coalesce(
            p.ending ->> 'node_type' || ': ' || coalesce(p.ending ->> 'exception_type', 'an error'), '')
        when r.failure in ('invalid_output', 'unjudged_output', 'rejected') then regexp_replace(
            split_part(regexp_replace(r.reason, '^[^\s;]+: ', ''), '; ', 1),
            '[0-9]+([.,][0-9]+)*', '…', 'g')
        else '' end as detail
    from recent r
    left join lateral (
        select p.ending from reconciler.prompts p
        where p.job_id = r.job_id and p.attempt = r.attempt and p.ending ->> 'kind' = 'error'
        order by p.ending_seen_at desc nulls last limit 1
    ) p on true
)
select t.failure, left(t.detail, 200) as detail, count(*) as number,
       max(extract(epoch from t.decided_at))::float8 as last_at,
       (array_agg(t.job_id order by t.decided_at desc))[1:%(examples)s] as job_ids,
       left((array_agg(t.reason order by t.decided_at desc))[1], 500) as reason
from told t group by 1, 2 order by number desc, last_at desc limit %(groups)s
