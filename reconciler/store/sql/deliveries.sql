-- name: claim_deliveries
-- Those of an endpoint that are due, for one sender. Of a job only the first that waits: the next is
-- sent when that is delivered or given up. A claim counts as an attempt; it goes by itself.
with due as (
    select d.id from reconciler.deliveries d join reconciler.webhooks h on h.name = d.webhook
    where d.webhook = %(webhook)s and d.state = 'waiting' and d.next_at <= clock_timestamp()
      and (d.claimed_until is null or d.claimed_until < clock_timestamp())
      and h.removed_at is null and (h.disabled_at is null or d.event_id is null)
      and not exists (
          select from reconciler.deliveries e
          where e.webhook = d.webhook and e.job_id = d.job_id and e.state = 'waiting'
            and e.id < d.id)
    order by d.next_at, d.id limit %(limit)s
    for no key update of d skip locked
), claimed as (
    update reconciler.deliveries d
    set attempts = d.attempts + 1,
        claimed_until = clock_timestamp() + %(claim_s)s * interval '1 s'
    from due where d.id = due.id
    returning d.id, d.message_id, d.webhook, d.event_id, d.job_id, d.type, d.payload, d.attempts,
              extract(epoch from d.created_at)::float8 as created_at,
              extract(epoch from clock_timestamp() - d.waiting_since)::float8 as age_s
)
select * from claimed order by id

-- name: record_attempts
-- What came of attempts, unless somebody else has taken over since. Without `state` it is tried
-- again after `wait_s`.
update reconciler.deliveries d
set state = coalesce(w.state, 'waiting'), claimed_until = null, last_at = clock_timestamp(),
    last_status = w.status, last_error = w.error, last_answer = w.answer, took_s = w.took_s,
    payload = w.payload, next_at = clock_timestamp() + coalesce(w.wait_s, 0) * interval '1 s'
from jsonb_to_recordset(%(attempts)s) as w(
    id bigint, attempts integer, state text, status integer, error text, answer text,
    took_s float8, wait_s float8, payload jsonb)
where d.id = w.id and d.id = any(%(ids)s) and d.attempts = w.attempts and d.state = 'waiting'

-- name: give_up_deliveries
-- What nobody delivered in time, or is for an endpoint that no settings name any more: who had
-- claimed that is gone. Of others' endpoints what should be over for a day: their agents are gone.
update reconciler.deliveries d
set state = 'failed', claimed_until = null, last_at = clock_timestamp(),
    last_error = case when h.removed_at is null then %(too_old)s else %(removed)s end
        || coalesce('; the last attempt: ' || d.last_error, '')
from reconciler.webhooks h
where h.name = d.webhook and d.state = 'waiting'
  and (h.removed_at is not null
       or (d.claimed_until is null or d.claimed_until < clock_timestamp())
          and d.waiting_since < clock_timestamp() - %(max_age_s)s * interval '1 s'
              - case when d.webhook = any(%(webhooks)s::text[]) then interval '0' else interval '1 day' end)

-- name: mend_deliveries
-- The database's clock was set back: what was tried, or put in, at a time that is still to come is
-- due now. No claim, of agents with other settings either, holds for an hour more than ours.
update reconciler.deliveries
set next_at = least(next_at, clock_timestamp()), claimed_until = null
where state = 'waiting'
  and (claimed_until > clock_timestamp() + %(claim_s)s * interval '1 s' + interval '1 h'
       or next_at > clock_timestamp()
          and coalesce(last_at, created_at) > clock_timestamp() + interval '2 s'
          and (claimed_until is null or claimed_until < clock_timestamp()))

-- name: list_deliveries
select d.id, d.message_id, d.webhook, d.event_id, d.job_id, d.type, d.payload, d.state, d.attempts,
       d.last_status, d.last_error, d.last_answer, d.took_s,
       extract(epoch from d.created_at)::float8 as created_at,
       extract(epoch from d.last_at)::float8 as last_at,
       case when d.state = 'waiting' then extract(epoch from d.next_at)::float8 end as next_at,
       d.state = 'waiting' and coalesce(d.claimed_until > clock_timestamp(), false) as sending
from reconciler.deliveries d
where (%(before)s::bigint is null or d.id < %(before)s)
  and (%(id)s::bigint is null or d.id = %(id)s)
  and (%(webhook)s::text is null or d.webhook = %(webhook)s)
  and (%(state)s::text is null or d.state = %(state)s)
  and (%(job_id)s::text is null or d.job_id = %(job_id)s)
order by d.id desc limit %(limit)s

-- name: replay_deliveries
-- Sends again what was delivered or given up, under the same message id.
update reconciler.deliveries
set state = 'waiting', attempts = 0, waiting_since = now(), next_at = now(), claimed_until = null
where state <> 'waiting'
  and (%(ids)s::bigint[] is null or id = any(%(ids)s))
  and (%(webhook)s::text is null or webhook = %(webhook)s)
  and (%(state)s::text is null or state = %(state)s)
returning id

-- name: add_test_delivery
insert into reconciler.deliveries (webhook, type, payload)
select name, %(type)s, '{{}}' from reconciler.webhooks
where name = %(webhook)s and removed_at is null
returning id

-- name: outbox
-- How much waits, and for how long the oldest has.
select count(*) as waiting,
       coalesce(extract(epoch from clock_timestamp() - min(waiting_since)), 0)::float8 as oldest_s
from reconciler.deliveries where state = 'waiting'

-- name: count_deliveries
select webhook, state, count(*) as number from reconciler.deliveries group by 1, 2

-- name: count_cutoff_deliveries
-- Right after the newest of those that are beyond the number.
select created_at + interval '1 microsecond' as cutoff from reconciler.deliveries
where state <> 'waiting' order by created_at desc offset %(count)s limit 1

-- name: delete_deliveries
delete from reconciler.deliveries where id in (
    select id from reconciler.deliveries
    where state <> 'waiting' and created_at < %(cutoff)s
    order by created_at limit %(batch)s for update skip locked)
