-- As it is sorted; the account at the top, whose administrators see its teams' resources in their list too; credentials,
-- sealed, and since when.
alter table resources add column name_key text collate "C" not null default '';
alter table resources add column top_id uuid;
alter table resources add column secret bytea;
alter table resources add column secret_at bigint;
update resources set name_key = lower(name),
  top_id = (select coalesce(a.parent_id, a.id) from accounts a where a.id = resources.account_id);

drop index resources_name;
create index resources_name on resources (account_id, name_key, id);
create index resources_created on resources (account_id, created_at, id);
create index resources_changed on resources (account_id, updated_at, id);
create index resources_top_name on resources (top_id, name_key, id);
create index resources_top_created on resources (top_id, created_at, id);
create index resources_top_changed on resources (top_id, updated_at, id);

-- What a resource is found by: the external id, and the folded name from each of its words on; in its own account, and in
-- the one at the top.
create table resource_words (
  within uuid not null,
  -- Ordered byte by byte: found by a prefix.
  word text collate "C" not null,
  resource_id uuid not null references resources (id) on delete cascade,
  primary key (within, word, resource_id)
);
create index resource_words_resource on resource_words (resource_id);
