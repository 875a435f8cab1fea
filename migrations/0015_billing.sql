-- The last month that is on an invoice of this account, or would be if there had been anything to bill.
alter table accounts add column billed_through bigint not null default 0;

-- Which plan took the place of which: what a month's bill is made of. The plan of now is the account's own.
create table plan_changes (
  id uuid primary key,
  account_id uuid not null references accounts (id) on delete cascade,
  at bigint not null,
  before text not null,
  after text not null
);
create index plan_changes_account on plan_changes (account_id, at);

-- A change that waits for the end of the period. One at a time.
create table plan_schedules (
  account_id uuid primary key references accounts (id) on delete cascade,
  plan text not null,
  at bigint not null,
  by_name text not null,
  created_at bigint not null
);
create index plan_schedules_at on plan_schedules (at);

-- The catalogue's plans as it last had them: an account can be on one that it no longer has.
create table kept_plans (
  id text primary key,
  terms text not null,
  kept_at bigint not null
);

-- Who is billed, and how: a JSON object.
create table billing_details (
  account_id uuid primary key references accounts (id) on delete cascade,
  details text not null,
  updated_at bigint not null
);

-- Something added to the next invoice, or taken off it.
create table adjustments (
  id uuid primary key,
  account_id uuid not null,
  -- Minor units; below zero: a credit.
  amount bigint not null check (amount <> 0),
  reason text not null,
  by_name text not null,
  created_at bigint not null,
  -- On which invoice it stands.
  invoice_id uuid
);
create index adjustments_waiting on adjustments (account_id, id) where invoice_id is null;
create index adjustments_account on adjustments (account_id, id);

-- An invoice outlives its account: there is no reference. What it says never changes; what becomes of it does.
create table invoices (
  id uuid primary key,
  account_id uuid not null,
  number text not null unique,
  month bigint not null,
  -- The invoice that this one takes back.
  credits_id uuid unique references invoices (id),
  currency text not null,
  total bigint not null,
  -- What it is for, in a few words.
  says text not null,
  -- All that stands on it, as JSON.
  document text not null,
  issued_at bigint not null,
  due_at bigint not null,
  status text not null check (status in ('open', 'paid', 'void', 'credited')),
  paid_at bigint,
  -- How it was paid, or why it was voided or taken back.
  note text not null default '',
  updated_at bigint not null,
  check ((status = 'paid') = (paid_at is not null))
);
create index invoices_page on invoices (account_id, id);
create index invoices_open on invoices (id) where status = 'open';
-- One invoice a month.
create unique index invoices_month on invoices (account_id, month) where credits_id is null and status <> 'void';

--lite create trigger invoices_fixed before update of id, account_id, number, month, credits_id, currency, total, says, document, issued_at, due_at on invoices begin select raise(abort, 'an invoice never changes'); end;
--lite create trigger invoices_stay before delete on invoices begin select raise(abort, 'an invoice stays'); end;
--pg create function invoices_fixed() returns trigger language plpgsql as $$ begin raise exception 'an invoice never changes'; end $$;
--pg create trigger invoices_fixed before update of id, account_id, number, month, credits_id, currency, total, says, document, issued_at, due_at on invoices for each row execute function invoices_fixed();
--pg create trigger invoices_stay before delete on invoices for each row execute function invoices_fixed();

-- The last number of a year. Its row is held until the invoice is kept: no number is left out, and none is given twice.
create table invoice_numbers (
  year bigint primary key,
  last bigint not null
);

-- Months that are to be closed, from the first that the program saw.
create table closings (
  month bigint primary key,
  finished_at bigint
);

-- Who an account is to the payment provider, and the card that it keeps for them.
create table cards (
  account_id uuid primary key references accounts (id) on delete cascade,
  customer text not null unique,
  method text,
  brand text not null default '',
  last4 text not null default '',
  expires text not null default '',
  -- When the provider is to be asked which card it is now.
  look_at bigint
);
create index cards_look on cards (look_at) where look_at is not null;

-- A payment of an invoice by card. Asked for, then on its way; at most one that is neither failed nor another's.
create table charges (
  id uuid primary key,
  invoice_id uuid not null references invoices (id),
  account_id uuid not null,
  customer text not null,
  method text not null,
  amount bigint not null,
  currency text not null,
  state text not null check (state in ('asked', 'processing', 'succeeded', 'failed')),
  -- The provider's own id.
  reference text unique,
  detail text not null default '',
  attempts bigint not null default 0,
  -- When the provider is to be asked next.
  next_at bigint,
  by_name text not null,
  created_at bigint not null,
  updated_at bigint not null
);
create unique index charges_once on charges (invoice_id) where state <> 'failed';
create index charges_next on charges (next_at) where next_at is not null;
create index charges_invoice on charges (invoice_id, id);
