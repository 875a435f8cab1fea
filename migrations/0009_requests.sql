-- A member asks for a permission that they lack.
create table access_requests (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  membership_id uuid not null references memberships (id) on delete cascade,
  permission text not null,
  -- What it is about; null for the account as a whole.
  resource_id uuid references resources (id) on delete cascade,
  note text not null default '',
  status text not null default 'pending' check (status in ('pending', 'granted', 'declined')),
  created_at bigint not null,
  answered_by uuid,
  answered_at bigint
);
-- Asked once is asked.
create unique index access_requests_once on access_requests (membership_id, permission) where status = 'pending' and resource_id is null;
create unique index access_requests_once_on on access_requests (membership_id, permission, resource_id) where status = 'pending' and resource_id is not null;
create index access_requests_page on access_requests (account_id, id) where status = 'pending';
create index access_requests_resource on access_requests (resource_id) where resource_id is not null;
