//! What happens at Acme, step by step.
use super::{
    data::{HIRES, KEYS, Person, TEAMS},
    runner::{email, membership_of, parse_name},
    seed::{ACME, Acme, BOUNCES},
};
use crate::{
    error::{Error, Result},
    model::{
        access::Access,
        account::LoginType,
        id::ResourceId,
        permission::{Permission, Permissions},
        text::{EmailAddress, Slug},
    },
    store::{
        Change, SignedInUser,
        grants::{self, GrantRequest},
        invitations, keys, members, teams, transfers,
    },
};

/// A number is an index into the table of `data`.
pub enum Step {
    Hire(usize),
    CreateTeam(usize),
    CreateKey(usize),
    OfferOwnership,
    ChangeRoles,
    SetExpiry,
    Suspend,
    FailedInvitations,
    RemoveMember,
    OpenInvitations,
    ConnectSso,
    SignInBySso,
    CloseMonth,
}

impl Acme {
    pub async fn run(&mut self, day: u32, step: &Step) -> Result<()> {
        match *step {
            Step::Hire(index) => self.hire(day, index).await,
            Step::CreateTeam(index) => self.create_team(day, index).await,
            Step::CreateKey(index) => self.create_key(day, index).await,
            Step::OfferOwnership => self.offer_ownership(day).await,
            Step::ChangeRoles => self.change_roles(day).await,
            Step::SetExpiry => self.set_expiry(day).await,
            Step::Suspend => self.suspend(day).await,
            Step::FailedInvitations => self.failed_invitations(day).await,
            Step::RemoveMember => self.remove_member(day).await,
            Step::OpenInvitations => self.open_invitations(day).await,
            Step::ConnectSso => self.connect_sso(day).await,
            Step::SignInBySso => self.sign_in_by_sso(day).await,
            Step::CloseMonth => self.close_month(day).await,
        }
    }

    /// Invites all on one day, one batch per role; they accept within the next two days.
    async fn hire(&mut self, day: u32, index: usize) -> Result<()> {
        let inviter = ["ada", "kwame", "lea.fontaine"][index % 3];
        let people = HIRES[index].1;
        self.runner.advance_to(day, 9, 30);
        let mut roles: Vec<&str> = people.iter().map(|person| person.2).collect();
        roles.sort_unstable();
        roles.dedup();
        for role in roles {
            let of_role: Vec<&Person> = people.iter().filter(|person| person.2 == role).collect();
            // Each source-specific role names other sources, so these are invited one by one.
            for (n, batch) in of_role.chunks(if role == "source" { 1 } else { of_role.len() }).enumerate() {
                let to = batch.iter().map(|person| email(person.1)).collect::<Result<Vec<_>>>()?;
                self.invite(inviter, ACME, self.grant_request(role, index + n), &to, LoginType::Any).await?;
            }
        }
        self.runner.deliver_mails(BOUNCES).await?;
        for (n, (name, local, _)) in people.iter().enumerate() {
            let n = u32::try_from(n).unwrap_or(0);
            self.runner.advance_to(day - n / 6, 10 + n % 6, (n * 17 + day) % 60);
            self.join(name, local).await?;
        }
        Ok(())
    }

    async fn join(&mut self, name: &str, local: &str) -> Result<()> {
        let secret = self.runner.mailed_secret(&email(local)?, "/invitations/").await?;
        let name = parse_name(name)?;
        let runner = &self.runner;
        let (person, _) = runner
            .as_visitor(local, async |change| {
                let offer = invitations::find_by_token(change, &secret).await?.ok_or(Error::NotFound)?;
                invitations::accept_as_new(change, &offer, &name, runner.password_hash()).await
            })
            .await?;
        self.runner.add_person(local, person);
        Ok(())
    }

    async fn create_team(&mut self, day: u32, index: usize) -> Result<()> {
        let (name, slug, _, creator, others) = TEAMS[index];
        self.runner.advance_to(day, 11, 20);
        let (name, parsed_slug) = (parse_name(name)?, Slug::parse(slug).map_err(Error::at("slug"))?);
        self.runner
            .as_member(creator, ACME, async |change| teams::open(change, &name, Some(&parsed_slug)).await)
            .await?;
        let to = others.iter().map(|local| email(local)).collect::<Result<Vec<_>>>()?;
        let member = self.grant_request("member", 0);
        self.invite(creator, slug, member, &to, LoginType::Any).await?;
        for other in others {
            self.accept(other).await?;
        }
        Ok(())
    }

    /// Accepts the newest open invitation of somebody who already has a user.
    pub async fn accept(&mut self, local: &str) -> Result<()> {
        let accept = async |change: &mut Change<SignedInUser>| {
            let offer = invitations::waiting(change).await?.into_iter().next().ok_or(Error::NotFound)?;
            invitations::accept(change, &offer).await
        };
        self.runner.as_user(local, accept).await.map(drop)
    }

    async fn create_key(&mut self, day: u32, index: usize) -> Result<()> {
        let (owner, name, _, valid_days, is_revoked) = KEYS[index];
        self.runner.advance_to(day, 14, 10);
        let (permissions, resources) = self.key_scope(name);
        let (name, expires_at) =
            (parse_name(name)?, (valid_days > 0).then(|| self.runner.in_days(valid_days)));
        let new = keys::NewKey { name: &name, expires_at, permissions, resources };
        let (id, _) =
            self.runner.as_member(owner, ACME, async |change| keys::create(change, &new, None).await).await?;
        self.keys.push((index, id));
        if is_revoked {
            self.runner.as_member(owner, ACME, async |change| keys::revoke(change, id).await).await?;
        }
        Ok(())
    }

    /// The permissions and resources of a key; `None` is whatever its owner has.
    fn key_scope(&self, name: &str) -> (Option<Permissions>, Option<Vec<ResourceId>>) {
        use Permission::{RunResources, UpdateResources, ViewInvoices, ViewResources, ViewUsage};
        let (permissions, sources): (&[Permission], &[ResourceId]) = match name {
            "Nightly index refresh" => (&[ViewResources, UpdateResources, RunResources], &[]),
            "Dashboard" => (&[ViewUsage], &[]),
            "Weekly report" => (&[ViewInvoices], &[]),
            "Load test" => (&[ViewResources, RunResources], &self.sources[..2]),
            _ => (&[], &[]),
        };
        let resources = (!sources.is_empty()).then(|| sources.to_vec());
        ((!permissions.is_empty()).then(|| Permissions::of(permissions)), resources)
    }

    /// Ada offers the ownership to Lea, who declines.
    async fn offer_ownership(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 15, 2);
        let lea = self.runner.person("lea.fontaine")?;
        let offer = async |change: &mut Change<Access>| {
            let to = membership_of(change, &lea).await?;
            let recent_auth = change.actor().recent_auth(change.now()).ok_or(Error::ReauthRequired)?;
            transfers::offer(change, &recent_auth, to).await.map(drop)
        };
        self.runner.sign_in("ada").await?;
        self.runner.as_member("ada", ACME, offer).await?;
        self.runner.advance_to(day, 16, 48);
        self.runner.as_member("lea.fontaine", ACME, async |change| transfers::decline(change).await).await
    }

    async fn change_roles(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 10, 33);
        for (local, roles) in [
            ("tomas.dvorak", &["video-developer", "image-analyst"][..]),
            ("wojciech.sliwa", &["member", "accountant"]),
            ("thandiwe", &["admin"]),
        ] {
            let person = self.runner.person(local)?;
            let requests: Vec<GrantRequest> = roles.iter().map(|role| self.grant_request(role, 0)).collect();
            let set = async |change: &mut Change<Access>| {
                let grants = grants::parse(change, &requests).await?;
                let to = membership_of(change, &person).await?;
                members::set_grants(change, to, &grants).await
            };
            self.runner.as_member("ada", ACME, set).await?;
        }
        Ok(())
    }

    /// Memberships that end: one has ended by now, two will.
    async fn set_expiry(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 13, 15);
        for (local, days) in
            [("dmitri.volkov", day - 12), ("aarav.patel", day + 9), ("rasmus.angstrom", day + 45)]
        {
            let (person, expires_at) = (self.runner.person(local)?, self.runner.in_days(days));
            let set = async |change: &mut Change<Access>| {
                let to = membership_of(change, &person).await?;
                members::set_expiry(change, to, Some(expires_at)).await
            };
            self.runner.as_member("kwame", ACME, set).await?;
        }
        Ok(())
    }

    /// Suspends three, and reactivates one of them a day later.
    async fn suspend(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 9, 58);
        for local in ["mehmet.yildiz", "deniz.ozturk", "olga.kravchenko"] {
            let person = self.runner.person(local)?;
            let set = async |change: &mut Change<Access>| {
                let to = membership_of(change, &person).await?;
                members::suspend(change, to).await
            };
            self.runner.as_member("kwame", ACME, set).await?;
        }
        self.runner.advance_to(day - 1, 8, 20);
        let person = self.runner.person("olga.kravchenko")?;
        let set = async |change: &mut Change<Access>| {
            let to = membership_of(change, &person).await?;
            members::reactivate(change, to).await
        };
        self.runner.as_member("kwame", ACME, set).await
    }

    /// Invitations that nobody accepted: expired, declined, revoked.
    async fn failed_invitations(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 10, 5);
        let to: Vec<EmailAddress> = ["walter.lindgren", "mina.park", "rosa.iglesias", "peter.novotny"]
            .iter()
            .map(|local| email(local))
            .collect::<Result<_>>()?;
        self.invite("lea.fontaine", ACME, self.grant_request("developer", 0), &to, LoginType::Any).await?;
        self.runner.deliver_mails(BOUNCES).await?;
        self.runner.advance_to(day - 1, 12, 44);
        let secret = self.runner.mailed_secret(&to[2], "/invitations/").await?;
        let decline = self.runner.as_visitor("rosa.iglesias", async |change| {
            let offer = invitations::find_by_token(change, &secret).await?.ok_or(Error::NotFound)?;
            invitations::decline(change, &offer).await
        });
        decline.await?;
        let filter = invitations::Filter { open_only: true, after: None, limit: 50 };
        let revoke = async |change: &mut Change<Access>| {
            let open = invitations::list(change, &filter).await?;
            let invitation = open
                .iter()
                .find(|invitation| invitation.email.starts_with("peter"))
                .ok_or(Error::NotFound)?;
            invitations::revoke(change, invitation.id).await
        };
        self.runner.as_member("lea.fontaine", ACME, revoke).await
    }

    async fn remove_member(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 16, 30);
        let person = self.runner.person("nia.roberts")?;
        let remove = async |change: &mut Change<Access>| {
            let to = membership_of(change, &person).await?;
            members::remove(change, to, None).await
        };
        self.runner.as_member("lea.fontaine", ACME, remove).await
    }

    /// Invitations that are open, one of them to a mailbox that does not exist.
    async fn open_invitations(&mut self, day: u32) -> Result<()> {
        self.runner.advance_to(day, 9, 12);
        for (to, role, login) in [
            (&["eun.ji.choi", "oscar.lindholm"][..], "member", LoginType::Any),
            (&["helena.brandt"], "accountant", LoginType::Sso),
            (&[BOUNCES], "video-developer", LoginType::Any),
        ] {
            let to = to.iter().map(|local| email(local)).collect::<Result<Vec<_>>>()?;
            self.invite("ada", ACME, self.grant_request(role, 0), &to, login).await?;
        }
        self.runner.deliver_mails(BOUNCES).await?;
        self.runner.advance_to(day - 1, 15, 27);
        let to = [email("miguel.santos")?];
        self.invite("kwame", ACME, self.grant_request("image-analyst", 0), &to, LoginType::Any).await
    }
}
