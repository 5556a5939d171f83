-- What nobody needs any more may go; and questions that would read whole tables have an index.

-- Events are only added, and deleted by the retention alone: in a transaction that says so, and none
-- of an open job.
create or replace function reconciler.refuse_change() returns trigger language plpgsql as $$
begin
    if tg_op = 'DELETE' and current_setting('reconciler_retention.deletes', true) = 'on'
       and not exists (
           select from reconciler.job_state s
           where s.job_id = old.job_id and s.known_status in ('queued', 'processing'))
    then
        return old;
    end if;
    raise exception 'the events are append-only';
end $$;

-- Final jobs by their age.
create index job_state_ended on reconciler.job_state (decided_at)
    where known_status not in ('queued', 'processing');
-- The newest files of a server, and the oldest.
create index outputs_server on reconciler.outputs (server, inspected_at, path);
create index outputs_thumbnails on reconciler.outputs (inspected_at) where thumbnail is not null;
