-- Append-only. No reference to what may be deleted: the log outlives it. The nil chain is the installation's.
create table audit_events (
  id uuid primary key,
  chain uuid not null,
  seq bigint not null,
  at bigint not null,
  actor_type text not null,
  actor_id uuid,
  actor_name text not null,
  action text not null,
  -- A JSON object: type, id, name.
  target text not null,
  ip text not null,
  -- A JSON object: before, after.
  changes text not null,
  hash bytea not null,
  unique (chain, seq)
);
create index audit_events_action on audit_events (chain, action, seq);
create index audit_events_actor on audit_events (chain, actor_id, seq);

-- The count and the hash of the newest event, sealed: that the end was cut off shows.
create table audit_heads (
  chain uuid primary key,
  count bigint not null,
  hash bytea not null,
  seal bytea not null
);
