-- What a role was made from: a built-in role's word, or the id, in hexadecimal digits, of a role that may be gone.
alter table roles add column base text;
