-- What was there when a member was removed, for as long as it can be taken back. What became of that is the outcome.
create table removals (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  membership_id uuid not null,
  user_id uuid not null references users (id) on delete cascade,
  -- Places and grants, here and in the account's teams: a JSON object.
  kept text not null,
  removed_at bigint not null,
  expires_at bigint not null,
  -- A JSON object; null as long as nothing was restored.
  outcome text
);
create index removals_membership on removals (account_id, membership_id, id);
create index removals_page on removals (account_id, expires_at);
create index removals_over on removals (expires_at);
create index removals_user on removals (user_id);

-- The keys that a removal revoked. Revoked by hand as well, a key stays so.
create table removed_keys (
  removal_id uuid not null references removals (id) on delete cascade,
  key_id uuid not null references api_keys (id) on delete cascade,
  stays_revoked boolean not null default false,
  primary key (removal_id, key_id)
);
create index removed_keys_key on removed_keys (key_id);

-- The private resources that a removal passed on, to whom, and their version after it.
create table removed_resources (
  removal_id uuid not null references removals (id) on delete cascade,
  resource_id uuid not null,
  name text not null,
  passed_to uuid not null,
  version bigint not null,
  primary key (removal_id, resource_id)
);

-- The private resources of one member.
create index resources_creator on resources (account_id, created_by) where visibility = 'private';
