-- The key that takes this one's place, and by what it is found.
alter table api_keys add column successor_id uuid references api_keys (id) on delete set null;
alter table api_keys add column name_key text not null default '';
-- When the next letter about its end is due; null: none.
alter table api_keys add column notice_at bigint;
update api_keys set name_key = lower(name);
-- 14 days before; what lies too far back is passed over when it is due.
update api_keys set notice_at = expires_at - 1209600000000 where expires_at is not null and revoked_at is null;

drop index api_keys_page;
create index api_keys_list on api_keys (account_id, id) where revoked_at is null;
create index api_keys_revoked on api_keys (account_id, id) where revoked_at is not null;
create index api_keys_user on api_keys (account_id, user_id, id);
create index api_keys_notice on api_keys (notice_at) where notice_at is not null;
create unique index api_keys_successor on api_keys (successor_id) where successor_id is not null;
