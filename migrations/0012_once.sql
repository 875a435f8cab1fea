-- What was asked for with an Idempotency-Key, by which API key, and what was answered. It refers to nothing, so that a key or an
-- account that is deleted by such a request does not take the memory of it along; it is forgotten after 24 hours.
create table answers (
  key_id uuid not null,
  -- The hash of the Idempotency-Key, and that of the request.
  word bytea not null,
  request bytea not null,
  -- Who does it now, since when.
  claim uuid not null,
  claimed_at bigint not null,
  -- Set in the transaction of what was asked for.
  done boolean not null,
  -- Sealed: it may hold a secret.
  answer bytea,
  ends_at bigint not null,
  primary key (key_id, word)
);
create index answers_over on answers (ends_at);
