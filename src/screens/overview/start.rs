//! The first steps in a new organization. The list goes when all are done, or the organization is no longer new.
use crate::{
    model::{
        access::Entry,
        account::Kind,
        permission::Permission,
        time::{DAY, Time},
    },
    store::overview::Facts,
};

/// What to do first.
pub struct Start {
    /// In their order.
    pub steps: Vec<Step>,
}

/// One of them.
pub struct Step {
    pub title: &'static str,
    pub text: &'static str,
    pub label: &'static str,
    pub href: String,
    pub is_done: bool,
}

/// How long an organization is new.
const DAYS: u32 = 30;

impl Start {
    /// For who leads a new organization.
    pub fn of(me: &Entry, facts: &Facts, now: Time) -> Option<Start> {
        let leads = me.here.kind == Kind::Organization && me.may(Permission::InviteMembers);
        if !leads || me.membership.is_none() || facts.created_at.plus(DAYS * DAY) < now {
            return None;
        }
        let step = |is_done, title, text, label, page: &str| {
            let href =
                if page.starts_with('/') { page.to_owned() } else { format!("/a/{}/{page}", me.here.slug) };
            Step { title, text, label, href, is_done }
        };
        let new_team = format!("/new/team?parent={}", me.here.slug);
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
        steps.iter().any(|it| !it.is_done).then_some(Start { steps })
    }
    /// How many are done.
    pub fn done(&self) -> usize {
        self.steps.iter().filter(|it| it.is_done).count()
    }
    /// Whether this is the next one.
    pub fn is_next(&self, it: &Step) -> bool {
        self.steps.iter().find(|it| !it.is_done).is_some_and(|next| next.title == it.title)
    }
}
