-- An authenticator app. Its secret is sealed under the secret key.
create table authenticators (
  user_id uuid primary key references users (id) on delete cascade,
  secret bytea not null,
  -- The thirty seconds of the last code that was taken: no code is taken twice, and none from before it.
  last_step bigint not null,
  created_at bigint not null
);

-- Codes for who has lost the rest: each works once. Known by an HMAC under the secret key, for they are short.
create table recovery_codes (
  user_id uuid not null references users (id) on delete cascade,
  hash bytea not null,
  used_at bigint,
  primary key (user_id, hash)
);

create table passkeys (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  credential_id bytea not null unique,
  name text not null,
  -- The public key and its counter, as webauthn-rs writes them (JSON).
  credential text not null,
  created_at bigint not null,
  used_at bigint
);
create index passkeys_user on passkeys (user_id, id);

-- Whether the sign-in was made with two factors.
alter table sessions add column two_factors boolean not null default false;
-- Whether sessions of one factor stay outside.
alter table accounts add column requires_second_factor boolean not null default false;
-- When somebody last signed in; null before the first time.
alter table users add column signed_in_at bigint;
