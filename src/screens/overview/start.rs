//! The first steps in a new organization. The list disappears when all are done, or when the organization is no longer new.
use crate::{
    model::{
        access::Access,
        account::Kind,
        permission::Permission,
        time::{DAY, Time},
    },
    store::overview::AccountOverview,
};

pub struct Start {
    pub steps: Vec<Step>,
}

pub struct Step {
    pub title: &'static str,
    pub text: &'static str,
    pub label: &'static str,
    pub href: String,
    pub is_done: bool,
}

/// For how many days an organization counts as new.
const DAYS: u32 = 30;

impl Start {
    /// `None` unless the visitor leads a new organization in which steps are left.
    pub fn of(access: &Access, facts: &AccountOverview, now: Time) -> Option<Start> {
        let leads = access.account.kind == Kind::Organization && access.may(Permission::InviteMembers);
        if !leads || access.membership.is_none() || facts.created_at.plus(DAYS * DAY) < now {
            return None;
        }
        let step = |is_done, title, text, label, page: &str| {
            let href = if page.starts_with('/') {
                page.to_owned()
            } else {
                format!("/a/{}/{page}", access.account.slug)
            };
            Step { title, text, label, href, is_done }
        };
        let new_team = format!("/new/team?parent={}", access.account.slug);
        let steps = vec![
            step(true, "Create the organization", "You are in it.", "", ""),
            step(
                facts.member_count > 1 || facts.invitation_count > 0,
                "Invite the people you work with",
                "Several addresses at once; you choose what each may do.",
                "Invite",
                "invitations/new",
            ),
            step(
                facts.key_count > 0,
                "Make an API key",
                "For your pipeline. It is shown once.",
                "Create",
                "keys/new",
            ),
            step(
                facts.team_count > 0,
                "Open a team",
                "For people who share resources and keys.",
                "Open",
                &new_team,
            ),
            step(
                facts.has_admin,
                "Name a second admin",
                "If you are away, somebody can still let people in.",
                "Choose",
                "members",
            ),
        ];
        steps.iter().any(|step| !step.is_done).then_some(Start { steps })
    }
    pub fn done_count(&self) -> usize {
        self.steps.iter().filter(|step| step.is_done).count()
    }
    pub fn is_next(&self, step: &Step) -> bool {
        self.steps.iter().find(|other| !other.is_done).is_some_and(|next| next.title == step.title)
    }
}
