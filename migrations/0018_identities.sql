-- A person as Google or GitHub knows them, and the user that they are here. Found by issuer and subject, never by an address.
create table identities (
  id uuid primary key,
  user_id uuid not null references users (id) on delete cascade,
  provider text not null check (provider in ('google', 'github')),
  issuer text not null,
  subject text not null,
  -- As the provider shows it: an address or a handle. Only to be recognised by.
  label text not null,
  linked_at bigint not null,
  used_at bigint not null,
  unique (issuer, subject),
  unique (user_id, provider)
);
