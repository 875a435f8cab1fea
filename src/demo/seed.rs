//! Ninety days of the organization Acme, up to now.
use super::{
    data::{HIRES, KEYS, RESOURCES, TEAMS},
    runner::{Runner, email, parse_name},
    steps::Step,
};
use crate::{
    context::Context,
    db::Db,
    error::{Error, Result},
    model::{
        access::Access,
        account::LoginType,
        id::{AccountId, KeyId, ResourceId, RoleId},
        permission::{Permission, Permissions},
        text::{EmailAddress, Slug},
        time::{HOUR, MINUTE, Time},
    },
    store::{
        Change, SignedInUser, accounts, demo,
        grants::{self, GrantRequest, GrantScopeRequest},
        invitations, sessions, users,
    },
};
use std::collections::BTreeMap;

pub const ACME: &str = "acme";
/// Days that the demonstration goes back.
pub const DAYS: u32 = 90;
/// Mails to this address are refused.
pub const BOUNCES: &str = "jordan.blake@acme-mail.test";

pub struct Acme {
    pub runner: Runner,
    support: RoleId,
    pub sources: Vec<ResourceId>,
    /// Keys by their index in the table.
    pub keys: Vec<(usize, KeyId)>,
    /// When each key was used last.
    pub last_used: BTreeMap<KeyId, Time>,
    /// Usage older than so many days is written.
    pub usage_until: u32,
}

/// Fills an empty database.
pub async fn seed(db: &Db, context: &Context) -> Result<()> {
    let now = context.now();
    let mut acme = create_acme(Runner::new(db, context).await?).await?;
    for (day, step) in steps(&acme.runner) {
        acme.run(day, &step).await?;
        acme.runner.deliver_mails(BOUNCES).await?;
    }
    acme.second_organization().await?;
    acme.sign_everybody_in(now).await?;
    acme.runner.set_clock(now);
    acme.add_usage(now).await?;
    acme.set_last_used().await?;
    acme.runner.set_clock(now);
    acme.add_budgets().await?;
    acme.add_rate_limit_history().await?;
    acme.runner.as_operator(async |change| users::set_demo(change).await).await
}

/// All steps, each with how many days ago it happens, the oldest first.
fn steps(runner: &Runner) -> Vec<(u32, Step)> {
    let mut steps: Vec<(u32, Step)> = vec![];
    steps.extend(HIRES.iter().enumerate().map(|(index, hire)| (hire.0, Step::Hire(index))));
    steps.extend(TEAMS.iter().enumerate().map(|(index, team)| (team.2, Step::CreateTeam(index))));
    steps.extend(KEYS.iter().enumerate().map(|(index, key)| (key.2, Step::CreateKey(index))));
    steps.extend([
        (61, Step::OfferOwnership),
        (44, Step::ChangeRoles),
        (40, Step::SetExpiry),
        (24, Step::Suspend),
    ]);
    steps.extend(runner.month_starts().into_iter().map(|day| (day, Step::CloseMonth)));
    steps.extend([
        (16, Step::FailedInvitations),
        (14, Step::ConnectSso),
        (6, Step::RemoveMember),
        (3, Step::SignInBySso),
        (2, Step::OpenInvitations),
    ]);
    // A month ends before anything else happens on the day.
    steps.sort_by_key(|(day, step)| (std::cmp::Reverse(*day), !matches!(step, Step::CloseMonth)));
    steps
}

/// The first days: an owner, the organization, its plan, policy, role and resources.
async fn create_acme(mut runner: Runner) -> Result<Acme> {
    runner.advance_to(DAYS, 8, 41);
    runner.sign_up("Ada Okonkwo-Lindqvist", "ada", true).await?;
    let (name, slug) = (parse_name("Acme")?, Slug::parse(ACME).map_err(Error::at("slug"))?);
    runner
        .as_user("ada", async |change| accounts::open_organization(change, &name, Some(&slug)).await)
        .await?;
    runner.advance_to(89, 9, 5);
    runner
        .as_operator(async |change| match accounts::by_slug(change, ACME).await? {
            Some(account) => accounts::set_plan(change, &account, "developer").await,
            None => Err(Error::NotFound),
        })
        .await?;
    let policy =
        accounts::AccountUpdate { admins_may_delete: Some(false), ..accounts::AccountUpdate::default() };
    runner.as_member("ada", ACME, async |change| accounts::update(change, policy).await).await?;
    runner.advance_to(88, 10, 12);
    let support = runner
        .as_member("ada", ACME, async |change| {
            let name = parse_name("Support lead")?;
            let permissions = [
                Permission::ViewAccount,
                Permission::ViewMembers,
                Permission::InviteMembers,
                Permission::ViewResources,
                Permission::ViewUsage,
            ];
            let description = "Answers customers: looks around, and invites people.";
            demo::add_role(change, &name, description, Permissions::of(&permissions)).await
        })
        .await?;
    let mut sources = vec![];
    for resource in RESOURCES {
        let id =
            runner.as_member("ada", ACME, async |change| demo::add_resource(change, *resource).await).await?;
        if matches!(resource.1, "video_collection" | "image_source") {
            sources.push(id);
        }
    }
    Ok(Acme { runner, support, sources, keys: vec![], last_used: BTreeMap::new(), usage_until: DAYS })
}

impl Acme {
    pub async fn account(&self) -> Result<AccountId> {
        let account = self.runner.as_operator(async |change| accounts::by_slug(change, ACME).await).await?;
        Ok(account.ok_or(Error::NotFound)?.id)
    }

    /// `n` decides which sources a source-specific role is for.
    pub fn grant_request(&self, role: &str, n: usize) -> GrantRequest {
        let resources = |ids: &[ResourceId]| {
            Some(GrantScopeRequest::Resources { resources: ids.iter().map(|id| id.0).collect() })
        };
        let (role, scope) = match role {
            "support" => (self.support.to_string(), None),
            // Some have sources of one product, some of both.
            "source" if n.is_multiple_of(2) => ("source-specific".into(), resources(&self.sources[..2])),
            "source" => ("source-specific".into(), resources(&self.sources[2..])),
            label => (label.to_owned(), None),
        };
        GrantRequest { role, scope, expires_at: None }
    }

    pub async fn invite(
        &mut self,
        inviter: &str,
        slug: &str,
        grant: GrantRequest,
        to: &[EmailAddress],
        login: LoginType,
    ) -> Result<()> {
        let to: Vec<String> = to.iter().map(ToString::to_string).collect();
        let invite = async |change: &mut Change<Access>| {
            let grants = grants::parse(change, &[grant]).await?;
            invitations::invite(change, &to, &grants, login).await
        };
        let result = self.runner.as_member(inviter, slug, invite).await?;
        match result.rejected.first() {
            Some(rejected) => Err(Error::Internal(format!("{}: {}", rejected.email, rejected.detail))),
            None => Ok(()),
        }
    }

    /// An organization in which Ada is an analyst: she has two to switch between.
    async fn second_organization(&mut self) -> Result<()> {
        self.runner.advance_to(1, 16, 2);
        self.runner.sign_up("Ruth Adler", "ruth@northwind.test", false).await?;
        let (name, slug) =
            (parse_name("Northwind Labs")?, Slug::parse("northwind").map_err(Error::at("slug"))?);
        let create = async |change: &mut Change<SignedInUser>| {
            accounts::open_organization(change, &name, Some(&slug)).await
        };
        self.runner.as_user("ruth@northwind.test", create).await?;
        let to = [email("ada")?];
        self.invite(
            "ruth@northwind.test",
            "northwind",
            self.grant_request("analyst", 0),
            &to,
            LoginType::Any,
        )
        .await?;
        self.accept("ada").await?;
        self.runner.deliver_mails(BOUNCES).await
    }

    /// Gives everybody a session and a time of last activity, from minutes to days ago.
    async fn sign_everybody_in(&mut self, now: Time) -> Result<()> {
        let account = self.account().await?;
        for (n, person) in self.runner.people().iter().enumerate() {
            let local = person.email.strip_suffix("@acme.test").unwrap_or(&person.email).to_owned();
            let n = u32::try_from(n).unwrap_or(0);
            let ago = if local == "ada" {
                MINUTE * 11
            } else {
                HOUR * (n * n % 97) + MINUTE * (n * 7 % 60) + MINUTE
            };
            self.runner.set_clock(now.minus(ago));
            let session = self.runner.sign_in(&local).await?;
            let cannot_enter =
                ["mehmet.yildiz", "deniz.ozturk", "dmitri.volkov", "nia.roberts"].contains(&local.as_str());
            if !cannot_enter && !person.email.ends_with("@northwind.test") {
                sessions::touch(&self.runner.db, &self.runner.context, session, Some(account)).await?;
            }
        }
        Ok(())
    }
}
