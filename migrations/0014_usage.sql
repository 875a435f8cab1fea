-- What the platform metered: a row an event, kept for some weeks, to know what is sent again and to rebuild the sums.
-- What an event does not name is the nil id, or an empty text: null would be distinct from null in a key. Nothing refers to
-- accounts, keys or people: the work was done, and is billed, when they are gone.
create table usage_events (
  -- Ordered byte by byte.
  source text collate "C" not null,
  id text collate "C" not null,
  at bigint not null,
  received_at bigint not null,
  -- Who pays: the account itself, or the parent of a team.
  top_id uuid not null,
  account_id uuid not null,
  user_id uuid not null,
  key_id uuid not null,
  product text not null,
  resource_id uuid not null,
  model text not null,
  meter text not null,
  -- The month on whose invoice it stands: its own, or if that was closed before it came, the next one.
  period bigint not null,
  -- A decimal of nine places in two numbers that both engines sum exactly.
  whole bigint not null,
  nanos bigint not null,
  primary key (source, id)
);
create index usage_events_at on usage_events (at);

-- The sums of a day of UTC: all that pages and invoices read. The nanos of a row may be more than a whole.
create table usage_days (
  account_id uuid not null,
  day bigint not null,
  meter text collate "C" not null,
  user_id uuid not null,
  key_id uuid not null,
  product text collate "C" not null,
  resource_id uuid not null,
  model text collate "C" not null,
  period bigint not null,
  top_id uuid not null,
  whole bigint not null,
  nanos bigint not null,
  events bigint not null,
  primary key (account_id, day, meter, user_id, key_id, product, resource_id, model, period)
);
create index usage_days_top on usage_days (top_id, day);
create index usage_days_period on usage_days (period, top_id);
create index usage_days_day on usage_days (day);

-- Usage names resources by the platform's own id, many at a time.
create index resources_external on resources (account_id, external_id);

-- The last month that was closed. Who takes usage shares this row, and who closes a month takes it alone: once a month is
-- closed, nothing is added to it.
create table usage_closed (
  one bigint primary key check (one = 1),
  through bigint not null
);
insert into usage_closed (one, through) values (1, 0);

-- How much may be used in a month of UTC, by the account, a team of it, a member or a key.
create table budgets (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  kind text not null check (kind in ('account', 'team', 'member', 'key')),
  -- The account itself, the team's account, the user, the key.
  subject_id uuid not null,
  meter text not null,
  whole bigint not null,
  nanos bigint not null,
  -- When it is used up, keys are refused.
  is_hard boolean not null default false,
  -- What was used in that month, kept by who takes usage in; and the highest level of which mails told.
  month bigint not null,
  used_whole bigint not null default 0,
  used_nanos bigint not null default 0,
  told bigint not null default 0,
  created_at bigint not null,
  unique (account_id, kind, subject_id, meter)
);
create index budgets_subject on budgets (subject_id);
