create table invitations (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  email text not null,
  email_key text not null,
  -- The mailed token proves the address; the copied link's proves nothing.
  token_hash bytea not null unique,
  link_hash bytea unique,
  login_type text not null default 'any' check (login_type in ('any', 'password', 'google', 'github', 'sso')),
  -- An invitation to a team of an organization, for somebody outside, joins the organization too.
  joins_parent boolean not null default false,
  status text not null default 'pending' check (status in ('pending', 'accepted', 'declined', 'revoked')),
  delivery text not null default 'queued' check (delivery in ('queued', 'sent', 'failed')),
  delivery_detail text,
  invited_by uuid references users (id) on delete set null,
  created_at bigint not null,
  sent_at bigint not null,
  expires_at bigint not null
);
-- Inviting again replaces.
create unique index invitations_pending on invitations (account_id, email_key) where status = 'pending';
create index invitations_email on invitations (email_key) where status = 'pending';
create index invitations_page on invitations (account_id, id);

-- A role held over a scope, by a member or by who is invited.
create table grants (
  id uuid primary key,
  account_id uuid not null,
  membership_id uuid references memberships (id) on delete cascade,
  invitation_id uuid references invitations (id) on delete cascade,
  -- A built-in role's word, or a custom role.
  role text,
  role_id uuid references roles (id),
  scope text not null check (scope in ('account', 'product', 'resources')),
  product text,
  expires_at bigint,
  granted_by uuid,
  created_at bigint not null,
  check ((membership_id is null) <> (invitation_id is null)),
  check ((role is null) <> (role_id is null)),
  check (role is null or role <> 'owner'),
  check ((scope = 'product') = (product is not null))
);
create index grants_membership on grants (membership_id) where membership_id is not null;
create index grants_invitation on grants (invitation_id) where invitation_id is not null;
create index grants_role on grants (account_id, role);
create index grants_role_id on grants (role_id) where role_id is not null;

create table grant_resources (
  grant_id uuid not null references grants (id) on delete cascade,
  resource_id uuid not null references resources (id) on delete cascade,
  primary key (grant_id, resource_id)
);
create index grant_resources_resource on grant_resources (resource_id);
