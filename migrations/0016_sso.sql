-- How an organization's own identity provider is reached. The client secret is sealed.
create table sso_connections (
  account_id uuid primary key references accounts (id) on delete cascade,
  issuer text not null,
  client_id text not null,
  client_secret bytea not null,
  groups_claim text not null default 'groups',
  -- JSON: a list of grants for who is new; an object of such lists, by group.
  default_grants text not null,
  group_grants text not null default '{}',
  -- Since when its people must use it, and until when an administrator must have shown that it works; null once shown.
  enforced_at bigint,
  confirm_by bigint,
  -- JSON: the steps of the last test.
  last_test text,
  created_at bigint not null,
  updated_at bigint not null
);
create index sso_connections_client on sso_connections (issuer, client_id);
create index sso_connections_confirm on sso_connections (confirm_by) where confirm_by is not null;

-- A person as a provider knows them, and the user that they are here. Never found by an address.
create table sso_identities (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  issuer text not null,
  subject text not null,
  user_id uuid not null references users (id) on delete cascade,
  email text not null,
  linked_at bigint not null,
  used_at bigint not null,
  unique (account_id, issuer, subject)
);
create index sso_identities_user on sso_identities (user_id, account_id);

-- What a session was shown by an organization's provider, or by a break-glass code, which is nobody's identity.
create table sso_proofs (
  session_id uuid not null references sessions (id) on delete cascade,
  account_id uuid not null references accounts (id) on delete cascade,
  identity_id uuid references sso_identities (id) on delete cascade,
  -- The provider's own name of the session, and its token, sealed: for signing out there.
  sid text,
  token bytea,
  proved_at bigint not null,
  -- A break-glass code opens for a while.
  expires_at bigint,
  primary key (session_id, account_id)
);
create index sso_proofs_identity on sso_proofs (identity_id) where identity_id is not null;
create index sso_proofs_account on sso_proofs (account_id);

-- Logout tokens that were taken: each counts once.
create table sso_logouts (
  hash bytea primary key,
  expires_at bigint not null
);

-- The owner's way in when the provider is away. Each counts once.
create table break_glass_codes (
  hash bytea primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  user_id uuid not null references users (id) on delete cascade,
  created_at bigint not null,
  used_at bigint
);
create index break_glass_codes_account on break_glass_codes (account_id);

create table domains (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  domain text not null,
  -- What the name's TXT record must say; random.
  token text not null,
  verified_at bigint,
  -- The operator vouches for it: the DNS is not asked.
  vouched boolean not null default false,
  checked_at bigint,
  missing_since bigint,
  created_at bigint not null,
  unique (account_id, domain)
);
-- Anybody may claim one, and one organization proves it.
create unique index domains_verified on domains (domain) where verified_at is not null;
create index domains_check on domains (checked_at) where verified_at is not null and not vouched;

-- What people at its verified domains may do: wait for an invitation, ask, or join at once.
alter table accounts add column joining text not null default 'invited' check (joining in ('invited', 'ask', 'join'));
create table join_requests (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  user_id uuid not null references users (id) on delete cascade,
  created_at bigint not null,
  unique (account_id, user_id)
);
create index join_requests_user on join_requests (user_id);

-- Given by a group of the provider, and taken back when the person leaves it.
alter table grants add column by_group boolean not null default false;
