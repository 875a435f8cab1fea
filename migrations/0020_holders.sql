-- Who holds a role is counted and listed from the index alone.
drop index grants_role;
create index grants_role on grants (account_id, role, product, membership_id);
