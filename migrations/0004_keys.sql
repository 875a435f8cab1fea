create table api_keys (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  -- Gone with the member; the row stays, to say that it was revoked.
  membership_id uuid references memberships (id) on delete set null,
  user_id uuid references users (id) on delete set null,
  name text not null,
  hash bytea not null unique,
  last4 text not null,
  -- JSON arrays; null: all that the member may do, but for what is ticked by hand.
  permissions text,
  resources text,
  created_at bigint not null,
  expires_at bigint,
  used_at bigint,
  revoked_at bigint
);
create index api_keys_page on api_keys (account_id, created_at, id);
create index api_keys_membership on api_keys (membership_id) where membership_id is not null;

create table service_tokens (
  id uuid primary key,
  name text not null,
  hash bytea not null unique,
  last4 text not null,
  created_at bigint not null,
  used_at bigint,
  revoked_at bigint
);
