create table mails (
  id uuid primary key,
  recipient text not null,
  subject text not null,
  -- Encrypted under the secret key: it may hold a live token. Null once delivered, given up, or a day old.
  body bytea,
  invitation_id uuid references invitations (id) on delete set null,
  attempts bigint not null default 0,
  error text,
  created_at bigint not null,
  next_at bigint not null,
  sent_at bigint,
  failed_at bigint
);
create index mails_queue on mails (next_at) where sent_at is null and failed_at is null;
create index mails_created on mails (created_at);
