-- One outbox for all that is delivered to others: mails, charges and looks at cards. What each is about stays in a table of its own.
create table outbox (
  kind text not null check (kind in ('mail', 'charge', 'card')),
  -- The mail, the charge, or the account whose card it is.
  subject_id uuid not null,
  -- How often a worker took it.
  attempts bigint not null default 0,
  -- Why the last attempt failed.
  error text,
  created_at bigint not null,
  -- When it is tried next, or until when a worker has it; null once it is delivered or given up.
  next_at bigint,
  delivered_at bigint,
  failed_at bigint,
  primary key (kind, subject_id)
);
create index outbox_due on outbox (next_at) where next_at is not null;
create index outbox_failed on outbox (failed_at) where failed_at is not null;
insert into outbox (kind, subject_id, attempts, error, created_at, next_at, delivered_at, failed_at)
  select 'mail', id, attempts, error, created_at, case when sent_at is null and failed_at is null then next_at end, sent_at, failed_at
  from mails;
insert into outbox (kind, subject_id, attempts, created_at, next_at, delivered_at, failed_at)
  select 'charge', id, attempts, created_at, next_at, case when state = 'succeeded' then updated_at end,
    case when state = 'failed' then updated_at end
  from charges;
insert into outbox (kind, subject_id, created_at, next_at) select 'card', account_id, check_at, check_at from cards where check_at is not null;
drop index mails_queue;
alter table mails drop column attempts;
alter table mails drop column error;
alter table mails drop column next_at;
alter table mails drop column sent_at;
alter table mails drop column failed_at;
drop index charges_next;
alter table charges drop column attempts;
alter table charges drop column next_at;
drop index cards_check;
alter table cards drop column check_at;
