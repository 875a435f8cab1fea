//! A member as the database tells them: one row, grants and teams as JSON.
use super::read;
use crate::{
    error::Result,
    model::{
        account::LoginType,
        entry::Person,
        grant::Grant,
        id::{GrantId, MembershipId, RoleId, UserId},
        role::BuiltIn,
        time::Time,
    },
    store::{grants::Listing, members::Member},
};
use serde::Deserialize;

#[derive(sqlx::FromRow)]
pub(super) struct Row {
    pub id: MembershipId,
    user_id: UserId,
    name: String,
    email: String,
    pub name_key: String,
    is_owner: bool,
    is_active: bool,
    suspended_at: Option<Time>,
    expires_at: Option<Time>,
    login_type: LoginType,
    pub joined_at: Time,
    pub active_at: Time,
    grants: Option<String>,
    teams: Option<String>,
}

#[derive(Deserialize)]
struct GrantRow {
    id: GrantId,
    role: Option<String>,
    role_id: Option<String>,
    role_name: Option<String>,
    permissions: Option<String>,
    scope: String,
    product: Option<String>,
    expires_at: Option<i64>,
    listed: Option<String>,
}

impl GrantRow {
    fn grant(self, admins_may_delete: bool) -> Option<Grant> {
        let listing = Listing {
            id: self.id,
            role: self.role,
            role_id: self.role_id.and_then(|it| it.parse::<RoleId>().ok()),
            role_name: self.role_name,
            permissions: self.permissions,
            scope: self.scope,
            product: self.product,
            listed: self.listed,
            expires_at: self.expires_at.map(Time),
        };
        listing.grant(admins_may_delete)
    }
}

impl Row {
    /// What cannot be read is an error: to take a member for one without roles would let others change them.
    pub fn member(self, admins_may_delete: bool) -> Result<Member> {
        let mut rows: Vec<GrantRow> = read(self.grants)?;
        rows.sort_by_key(|it| it.id);
        let mut grants: Vec<Grant> = rows.into_iter().filter_map(|it| it.grant(admins_may_delete)).collect();
        if self.is_owner {
            grants = vec![Grant::whole(BuiltIn::Owner, true)];
        }
        let mut teams: Vec<String> = read(self.teams)?;
        teams.sort();
        Ok(Member {
            id: self.id,
            person: Person { id: self.user_id, name: self.name, email: self.email },
            is_owner: self.is_owner,
            is_active: self.is_active,
            suspended_at: self.suspended_at,
            expires_at: self.expires_at,
            login_type: self.login_type,
            joined_at: self.joined_at,
            active_at: self.active_at,
            grants,
            teams,
        })
    }
}
