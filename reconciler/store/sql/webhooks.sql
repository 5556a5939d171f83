-- name: name_webhooks
-- The endpoints of an agent's settings. One that has moved is tried again.
insert into reconciler.webhooks as h
    (name, url, events, statuses, job_types, job_type_patterns, named_by)
select name, url, events, statuses, job_types, job_type_patterns, array[%(agent)s::text]
from jsonb_to_recordset(%(webhooks)s) as w(
    name text, url text, events text, statuses text[], job_types text[], job_type_patterns text[])
order by name
on conflict (name) do update
set url = excluded.url, events = excluded.events, statuses = excluded.statuses,
    job_types = excluded.job_types, job_type_patterns = excluded.job_type_patterns,
    removed_at = null,
    named_by = array(
        select distinct n from unnest(h.named_by || excluded.named_by) as n order by n),
    disabled_at = case when h.url = excluded.url then h.disabled_at end,
    disabled_because = case when h.url = excluded.url then h.disabled_because end

-- name: forget_webhooks
-- An agent's settings name others no more. Whom nobody names is removed.
update reconciler.webhooks
set named_by = array_remove(named_by, %(agent)s::text),
    removed_at = case when cardinality(array_remove(named_by, %(agent)s::text)) = 0
                      then coalesce(removed_at, now()) else removed_at end
where %(agent)s::text = any(named_by) and name <> all(%(names)s::text[])

-- name: list_webhooks
-- All that were ever named, with what is under way for each.
select h.name, h.url, h.events, h.statuses, h.job_types, h.named_by, h.disabled_because,
       extract(epoch from h.disabled_at)::float8 as disabled_at,
       extract(epoch from h.removed_at)::float8 as removed_at,
       (select count(*) from reconciler.deliveries d
        where d.webhook = h.name and d.state = 'waiting') as waiting,
       (select extract(epoch from min(d.waiting_since))::float8 from reconciler.deliveries d
        where d.webhook = h.name and d.state = 'waiting') as oldest_at
from reconciler.webhooks h order by h.removed_at is not null, h.name

-- name: disable_webhook
update reconciler.webhooks
set disabled_at = coalesce(disabled_at, now()),
    disabled_because = coalesce(disabled_because, %(because)s)
where name = %(name)s

-- name: enable_webhook
-- What waits is due now.
with enabled as (
    update reconciler.webhooks set disabled_at = null, disabled_because = null
    where name = %(name)s returning name
), due as (
    update reconciler.deliveries d set next_at = now() from enabled
    where d.webhook = enabled.name and d.state = 'waiting'
)
select name from enabled
