-- Gives tables, columns and indexes the names that the field uses. No row is rewritten.

-- Tokens mailed to a user: to set a new password, to confirm a new address.
alter table links rename to email_tokens;
--pg alter table email_tokens rename constraint links_pkey to email_tokens_pkey;
--pg alter table email_tokens rename constraint links_kind_check to email_tokens_kind_check;
--pg alter table email_tokens rename constraint links_user_id_fkey to email_tokens_user_id_fkey;
--pg alter index links_user rename to email_tokens_user;
--lite drop index links_user;
--lite create index email_tokens_user on email_tokens (user_id);

-- Requests with an Idempotency-Key: the API key, the hashes of the header and of the request, who processes it now, and the
-- encrypted response.
alter table answers rename to idempotency_keys;
alter table idempotency_keys rename column key_id to api_key_id;
alter table idempotency_keys rename column word to key_hash;
alter table idempotency_keys rename column request to request_hash;
alter table idempotency_keys rename column claim to claim_id;
alter table idempotency_keys rename column answer to response;
alter table idempotency_keys rename column ends_at to expires_at;
--pg alter table idempotency_keys rename constraint answers_pkey to idempotency_keys_pkey;
--pg alter index answers_over rename to idempotency_keys_expiry;
--lite drop index answers_over;
--lite create index idempotency_keys_expiry on idempotency_keys (expires_at);

-- The months that are to be invoiced, and when that was finished.
alter table closings rename to billing_periods;
--pg alter table billing_periods rename constraint closings_pkey to billing_periods_pkey;

-- The plans of the catalogue, for accounts on one that the catalogue no longer has.
alter table kept_plans rename to plan_snapshots;
alter table plan_snapshots rename column kept_at to saved_at;
--pg alter table plan_snapshots rename constraint kept_plans_pkey to plan_snapshots_pkey;

-- The words by which members and resources are found.
alter table member_words rename to member_search;
--pg alter table member_search rename constraint member_words_pkey to member_search_pkey;
--pg alter table member_search rename constraint member_words_membership_id_fkey to member_search_membership_id_fkey;
--pg alter index member_words_membership rename to member_search_membership;
--lite drop index member_words_membership;
--lite create index member_search_membership on member_search (membership_id);

-- A team's resource stands here twice: for the team, and for its organization.
alter table resource_words rename to resource_search;
alter table resource_search rename column within to account_id;
--pg alter table resource_search rename constraint resource_words_pkey to resource_search_pkey;
--pg alter table resource_search rename constraint resource_words_resource_id_fkey to resource_search_resource_id_fkey;
--pg alter index resource_words_resource rename to resource_search_resource;
--lite drop index resource_words_resource;
--lite create index resource_search_resource on resource_search (resource_id);

-- Invalidations of the key cache that other processes read. Postgres notifies instead.
--lite alter table stale rename to invalidations;
--lite alter table invalidations rename column marks to items;

-- What each slice of a rate limit's window admitted. The subject is the limit and the account: `plan:…`, `api:…`.
alter table admissions rename to rate_limit_slices;
alter table rate_limit_slices rename column span to window_seconds;
alter table rate_limit_slices rename column piece to slice;
alter table rate_limit_slices rename column taken to admitted;
alter table rate_limit_slices rename column until to expires_at;
--pg alter table rate_limit_slices rename constraint admissions_pkey to rate_limit_slices_pkey;
--pg alter index admissions_until rename to rate_limit_slices_expiry;
--lite drop index admissions_until;
--lite create index rate_limit_slices_expiry on rate_limit_slices (expires_at);

-- The most that one window of a rate limit admitted on a day (UTC).
alter table busiest rename to rate_limit_peaks;
alter table rate_limit_peaks rename column span to window_seconds;
alter table rate_limit_peaks rename column most to peak;
--pg alter table rate_limit_peaks rename constraint busiest_pkey to rate_limit_peaks_pkey;
--pg alter index busiest_day rename to rate_limit_peaks_day;
--lite drop index busiest_day;
--lite create index rate_limit_peaks_day on rate_limit_peaks (day);

-- The requests of an hour (UTC, hours since 1970) under a plan's rate limits, and how many were refused.
alter table throttled rename to rate_limit_hourly;
alter table rate_limit_hourly rename column asked to requests;
--pg alter table rate_limit_hourly rename constraint throttled_pkey to rate_limit_hourly_pkey;
--pg alter index throttled_hour rename to rate_limit_hourly_hour;
--lite drop index throttled_hour;
--lite create index rate_limit_hourly_hour on rate_limit_hourly (hour);

-- The account that pays: the account itself, or the organization of a team.
alter table usage_events rename column top_id to billing_account_id;
alter table usage_days rename column top_id to billing_account_id;
--pg alter index usage_days_top rename to usage_days_billing_account;
--lite drop index usage_days_top;
--lite create index usage_days_billing_account on usage_days (billing_account_id, day);

-- The account itself, or the organization of a team, whose administrators see the resources of its teams in their list.
alter table resources rename column top_id to root_account_id;
--pg alter index resources_top_name rename to resources_root_name;
--pg alter index resources_top_created rename to resources_root_created;
--pg alter index resources_top_changed rename to resources_root_changed;
--lite drop index resources_top_name;
--lite drop index resources_top_created;
--lite drop index resources_top_changed;
--lite create index resources_root_name on resources (root_account_id, name_key, id);
--lite create index resources_root_created on resources (root_account_id, created_at, id);
--lite create index resources_root_changed on resources (root_account_id, updated_at, id);

-- The one row that holds the last closed month.
alter table usage_closed rename column one to singleton;
--pg alter table usage_closed rename constraint usage_closed_one_check to usage_closed_singleton_check;

-- The highest level, in percent, of which mails were sent this month.
alter table budgets rename column told to notified_percent;

alter table invoices rename column says to title;

-- When the payment provider is to be asked which card it is now.
alter table cards rename column look_at to check_at;
--pg alter index cards_look rename to cards_check;
--lite drop index cards_look;
--lite create index cards_check on cards (check_at) where check_at is not null;

-- How people at the verified domains join: by invitation, by request, or at once.
alter table accounts rename column joining to join_policy;
--pg alter table accounts rename constraint accounts_joining_check to accounts_join_policy_check;

alter table sessions rename column agent to user_agent;

-- Given by a group of the identity provider, and revoked when the person leaves the group.
alter table grants rename column by_group to from_sso_group;

-- The member's grants and memberships of teams as they were, a JSON object.
alter table removals rename column kept to snapshot;
--pg alter index removals_over rename to removals_expiry;
--lite drop index removals_over;
--lite create index removals_expiry on removals (expires_at);

-- An HMAC over the number of events and the last hash: it shows that the end of a chain was cut off.
alter table audit_heads rename column seal to mac;
