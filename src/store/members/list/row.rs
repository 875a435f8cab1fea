//! A member as the database tells them: one row, grants and teams as JSON.
use crate::{
    error::Result,
    model::{
        access::Person,
        account::LoginType,
        id::{MembershipId, UserId},
        time::Time,
    },
    store::{grants, json, members::Member},
};

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

impl Row {
    pub fn member(self, admins_may_delete: bool) -> Result<Member> {
        let grants = grants::told(self.grants, self.is_owner, admins_may_delete)?;
        let mut teams: Vec<String> = json::list(self.teams)?;
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
