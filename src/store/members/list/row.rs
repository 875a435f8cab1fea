//! A member as one row, with grants and teams as JSON.
use crate::{
    error::Result,
    model::actor::UserSummary,
    store::{grants, json, members::Member, memberships::Membership},
};

#[derive(sqlx::FromRow)]
pub(super) struct MemberRow {
    #[sqlx(flatten)]
    pub membership: Membership,
    name: String,
    email: String,
    is_active: bool,
    grants: Option<String>,
    teams: Option<String>,
}

impl MemberRow {
    pub fn member(self, admins_may_delete: bool) -> Result<Member> {
        let Membership {
            id,
            user_id,
            is_owner,
            login_type,
            suspended_at,
            expires_at,
            joined_at,
            active_at,
            ..
        } = self.membership;
        let grants = grants::read_grants(self.grants, is_owner, admins_may_delete)?;
        let mut teams: Vec<String> = json::list(self.teams)?;
        teams.sort();
        Ok(Member {
            id,
            person: UserSummary { id: user_id, name: self.name, email: self.email },
            is_owner,
            is_active: self.is_active,
            suspended_at,
            expires_at,
            login_type,
            joined_at,
            active_at,
            grants,
            teams,
        })
    }
}
