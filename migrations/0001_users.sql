create table users (
  id uuid primary key,
  name text not null,
  email text not null,
  -- Addresses are compared by this: lower case.
  email_key text not null unique,
  -- argon2id in PHC form; null for who never set one.
  password text,
  operator boolean not null default false,
  -- An IANA name; null follows the browser.
  time_zone text,
  -- Where they were last: no reference, for it may be gone.
  last_account uuid,
  created_at bigint not null
);
create index users_operators on users (id) where operator;

-- One row: who became the first operator, and the hash of the one-time sign-up link that may make one.
create table installation (
  id bigint primary key check (id = 1),
  first_operator uuid,
  setup_hash bytea,
  demo boolean not null default false
);
insert into installation (id) values (1);

-- A sign-up that nobody confirmed is no user.
create table sign_ups (
  id uuid primary key,
  name text not null,
  email text not null,
  email_key text not null,
  password text not null,
  token_hash bytea not null unique,
  -- Whether it was begun by the one-time link that makes the first operator.
  setup boolean not null default false,
  next text,
  created_at bigint not null,
  expires_at bigint not null
);
create index sign_ups_email on sign_ups (email_key);

-- Links mailed to a user: to set a new password, to prove a new address.
create table links (
  token_hash bytea primary key,
  kind text not null check (kind in ('password', 'email')),
  user_id uuid not null references users (id) on delete cascade,
  email text,
  email_key text,
  created_at bigint not null,
  expires_at bigint not null
);
create index links_user on links (user_id);

create table sessions (
  -- The secret in the cookie is known only by its hash.
  hash bytea primary key,
  id uuid not null unique,
  user_id uuid references users (id) on delete cascade,
  data text not null,
  method text not null default '',
  ip text not null default '',
  agent text not null default '',
  created_at bigint not null,
  seen_at bigint not null,
  proved_at bigint not null,
  expires_at bigint not null
);
create index sessions_user on sessions (user_id, seen_at);
create index sessions_expiry on sessions (expires_at);
