-- What the node pack and longer watching tell.

-- The life of ComfyUI's process that answered last, and whether a prompt worker was seen in it.
alter table reconciler.servers
    add column boot_id text,
    -- Earlier boot ids, newest last: one that comes back means several servers behind one address.
    add column earlier_boot_ids text[] not null default '{}',
    add column worker_seen boolean not null default false;

alter table reconciler.prompts
    -- The boot id under which the prompt was last seen, and since when another one has answered.
    add column boot_id text,
    add column boot_changed_since timestamptz,
    -- Seconds of its run in which nobody could have seen it get on: its server did not answer, or
    -- the reconciler was down. They count against no budget.
    add column unwatched_s double precision not null default 0;
