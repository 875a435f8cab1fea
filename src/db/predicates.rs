//! Rules about members and grants that statements ask in many places, written once. A statement says `active_member(m, $2)`
//! where `m` is a row of memberships and `$2` the time; before it is run, that is replaced by what it means. Ends are
//! exclusive: at `expires_at` it is over.
use std::borrow::Cow;

/// What a predicate means for a row's alias and the time.
type Meaning = fn(&str, &str) -> String;

/// What a statement says, with the row's alias and the time; and what it means.
const PREDICATES: [(&str, Meaning); 3] = [
    // The owner, or who holds the role admin over the whole account; and may enter now.
    ("leads_account(", |member, now| {
        format!(
            "(active_member({member}, {now}) and ({member}.is_owner or exists (select 1 from grants leads
                where leads.membership_id = {member}.id and leads.role = 'admin' and leads.scope = 'account'
                    and in_force(leads, {now}))))"
        )
    }),
    // A member who may enter now, as far as their own membership says.
    ("active_member(", |member, now| {
        format!("({member}.suspended_at is null and in_force({member}, {now}))")
    }),
    // A membership, grant or key whose end, if it has one, is not reached.
    ("in_force(", |row, now| format!("coalesce({row}.expires_at, {now} + 1) > {now}")),
];

/// The statement with each predicate replaced by what it means.
pub fn expand(sql: &str) -> Cow<'_, str> {
    let mut sql = Cow::Borrowed(sql);
    for (name, meaning) in PREDICATES {
        while let Some(start) = sql.find(name) {
            let rest = &sql[start + name.len()..];
            let end = rest.find(')').expect("a predicate is closed");
            let (row, now) = rest[..end].split_once(", ").expect("a predicate has a row and a time");
            let replaced = meaning(row, now);
            let range = start..start + name.len() + end + 1;
            let mut text = sql.into_owned();
            text.replace_range(range, &replaced);
            sql = Cow::Owned(text);
        }
    }
    sql
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn predicates_are_replaced_by_what_they_mean() {
        assert_eq!(expand("select 1"), "select 1");
        assert_eq!(
            expand("where in_force(g, $3) and active_member(m, $2)"),
            "where coalesce(g.expires_at, $3 + 1) > $3 and (m.suspended_at is null and coalesce(m.expires_at, $2 + 1) > $2)"
        );
        let leads = expand("leads_account(q, $2)");
        assert!(leads.starts_with(
            "((q.suspended_at is null and coalesce(q.expires_at, $2 + 1) > $2) and (q.is_owner"
        ));
        assert!(leads.contains("coalesce(leads.expires_at, $2 + 1) > $2"));
    }
}
