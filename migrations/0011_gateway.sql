-- What a service token is for: a JSON array of its scopes.
alter table service_tokens add column scopes text not null default '["verify","usage"]';
