-- Who may use the web interface from elsewhere. The token itself is known to its holder alone.
create table reconciler.tokens (
    name         text primary key,
    -- sha256 of the token, which has 256 bits of its own: nothing to guess, nothing to stretch.
    digest       bytea not null unique,
    -- reader: sees everything; operator: asks for changes, too.
    role         text not null check (role in ('reader', 'operator')),
    created_at   timestamptz not null default clock_timestamp(),
    expires_at   timestamptz,
    revoked_at   timestamptz,
    -- To the hour: a token that is used all day is not written all day.
    last_used_at timestamptz
);
