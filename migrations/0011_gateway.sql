-- What a service token is for: a JSON array of its scopes.
alter table service_tokens add column scopes text not null default '["verify","usage"]';

-- What other processes must hear of: on Postgres it is notified, on SQLite it is read here.
--lite create table stale (
--lite   id bigint primary key,
--lite   marks text not null,
--lite   at bigint not null
--lite );

-- What was admitted under rate limits, by pieces of time: what replicas share, and what outlives a restart. A subject is a
-- limit and whom it counts: `plan:…`, `api:…`.
create table admissions (
  subject text not null,
  -- The limit's window, in seconds.
  span bigint not null,
  piece bigint not null,
  taken bigint not null,
  -- When it counts no more.
  until bigint not null,
  primary key (subject, span, piece)
);
create index admissions_until on admissions (until);

-- Who serves this database now.
create table replicas (
  id uuid primary key,
  seen_at bigint not null
);
create index api_keys_id_hash on api_keys (id, hash);
