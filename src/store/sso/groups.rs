//! Grants by the groups that the provider sends.
use super::{
    Connection, enforce,
    sign_in::{SsoProfile, membership, starting_grants},
};
use crate::{
    error::Result,
    model::{access::Access, grant::Grant, id::UserId},
    store::{Change, members},
};

/// Replaces the member's grants from groups by those of their current groups. The sign-in may also confirm an enforcement on
/// trial.
pub(super) async fn apply_groups(
    change: &mut Change<Access>,
    connection: &Connection,
    profile: &SsoProfile,
    user: UserId,
) -> Result<()> {
    let member = membership(change, profile.account, user).await?;
    let Some((member, is_owner)) = member else { return Ok(()) };
    if let (Some(groups), false) = (&profile.groups, is_owner || connection.group_grants.is_empty()) {
        let mut wanted: Vec<Grant> = vec![];
        for grant in groups.iter().filter_map(|group| connection.group_grants.get(group)).flatten() {
            if !wanted.iter().any(|other| other.role == grant.role && other.over == grant.over) {
                wanted.push(grant.clone());
            }
        }
        members::set_group_grants(change, member, &wanted, &starting_grants(&connection.default_grants))
            .await?;
    }
    enforce::confirm(change, connection, member).await
}
