-- Every slug that was ever given, and whose it is: old ones redirect, and are never given to another account.
create table slugs (
  slug text primary key,
  account_id uuid not null
);

create table accounts (
  id uuid primary key,
  kind text not null check (kind in ('personal', 'organization', 'team')),
  parent_id uuid references accounts (id),
  slug text not null unique references slugs (slug),
  name text not null,
  plan text not null,
  admins_may_delete boolean not null default true,
  -- Kept by the store in the transaction that adds or removes one: counting 100,000 rows is no part of a page.
  member_count bigint not null default 0,
  owner_id uuid not null,
  is_owned boolean not null default true check (is_owned),
  created_at bigint not null,
  updated_at bigint not null,
  check ((kind = 'team') = (parent_id is not null))
--lite , foreign key (id, owner_id, is_owned) references memberships (account_id, user_id, is_owner) deferrable initially deferred
);
create index accounts_parent on accounts (parent_id) where parent_id is not null;

create table memberships (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  user_id uuid not null references users (id),
  is_owner boolean not null default false,
  suspended_at bigint,
  expires_at bigint,
  login_type text not null default 'any' check (login_type in ('any', 'password', 'google', 'github', 'sso')),
  -- The name as it is sorted.
  name_key text collate "C" not null,
  joined_at bigint not null,
  active_at bigint not null,
  unique (account_id, user_id),
  unique (account_id, user_id, is_owner),
  -- The owner is never suspended, and never expires.
  check (not is_owner or (suspended_at is null and expires_at is null))
);
-- At most one owner; the reference from accounts makes it at least one.
create unique index memberships_owner on memberships (account_id) where is_owner;
create index memberships_user on memberships (user_id);
create index memberships_joined on memberships (account_id, joined_at, id);
create index memberships_name on memberships (account_id, name_key, id);
create index memberships_active on memberships (account_id, active_at, id);
--pg alter table accounts add constraint accounts_owner foreign key (id, owner_id, is_owned) references memberships (account_id, user_id, is_owner) deferrable initially deferred;

-- What a member is found by: the address, and the folded name from each of its words on.
create table member_words (
  account_id uuid not null,
  -- Ordered byte by byte: found by a prefix.
  word text collate "C" not null,
  membership_id uuid not null references memberships (id) on delete cascade,
  primary key (account_id, word, membership_id)
);
create index member_words_membership on member_words (membership_id);

create table roles (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  name text not null,
  description text not null default '',
  -- A JSON array of permissions.
  permissions text not null,
  created_at bigint not null,
  updated_at bigint not null,
  unique (account_id, name)
);

create table resources (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  product text not null,
  kind text not null,
  name text not null,
  external_id text not null,
  visibility text not null default 'shared' check (visibility in ('shared', 'private')),
  created_by uuid,
  created_at bigint not null,
  updated_at bigint not null,
  unique (account_id, product, kind, external_id)
);
create index resources_name on resources (account_id, name, id);

-- One offer at a time. What became of it is in the audit log.
create table transfers (
  account_id uuid primary key references accounts (id) on delete cascade,
  membership_id uuid not null unique references memberships (id) on delete cascade,
  offered_at bigint not null,
  expires_at bigint not null
);
