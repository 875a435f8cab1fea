//! What happens at Acme, chapter by chapter.
use super::{
    people::{Figure, KEYS, TEAMS, WAVES},
    stage::{email, parse_name, seat},
    story::{ACME, Acme, BOUNCES},
};
use crate::{
    error::{Error, Result},
    model::{
        account::LoginType,
        id::ResourceId,
        permission::{Permission, Permissions},
        text::{Email, Slug},
    },
    store::{
        Change, Me,
        grants::{self, Wanted},
        invitations, keys, members, teams, transfers,
    },
};

/// One of them, and where it needs one, its place in the tables of people.
pub enum Chapter {
    Hire(usize),
    Team(usize),
    Key(usize),
    Offer,
    Raise,
    Expire,
    Suspend,
    Ask,
    Part,
    Wait,
    Connect,
    Come,
    Bill,
}

impl Acme {
    pub async fn play(&mut self, day: u32, chapter: &Chapter) -> Result<()> {
        match chapter {
            Chapter::Hire(at) => self.hire(day, *at).await,
            Chapter::Team(at) => self.team(day, *at).await,
            Chapter::Key(at) => self.key(day, *at).await,
            Chapter::Offer => self.offer(day).await,
            Chapter::Raise => self.raise(day).await,
            Chapter::Expire => self.expire(day).await,
            Chapter::Suspend => self.suspend(day).await,
            Chapter::Ask => self.ask(day).await,
            Chapter::Part => self.part(day).await,
            Chapter::Wait => self.wait(day).await,
            Chapter::Connect => self.connect(day).await,
            Chapter::Come => self.come(day).await,
            Chapter::Bill => self.bill(day).await,
        }
    }

    /// All are invited on one day, each role at once, and answer within the next two.
    async fn hire(&mut self, day: u32, at: usize) -> Result<()> {
        let by = ["ada", "kwame", "lea.fontaine"][at % 3];
        let by = if at == 0 { "ada" } else { by };
        let hired = WAVES[at].1;
        self.stage.at(day, 9, 30);
        let mut roles: Vec<&str> = hired.iter().map(|it| it.2).collect();
        roles.sort_unstable();
        roles.dedup();
        for role in roles {
            let of_role: Vec<&Figure> = hired.iter().filter(|it| it.2 == role).collect();
            // A source-specific role names other sources for each.
            for (n, some) in of_role.chunks(if role == "source" { 1 } else { of_role.len() }).enumerate() {
                let to = some.iter().map(|it| email(it.1)).collect::<Result<Vec<_>>>()?;
                self.invite(by, ACME, self.wanted(role, at + n), &to, LoginType::Any).await?;
            }
        }
        self.stage.post(BOUNCES).await?;
        for (n, (name, local, _)) in hired.iter().enumerate() {
            let n = u32::try_from(n).unwrap_or(0);
            self.stage.at(day - n / 6, 10 + n % 6, (n * 17 + day) % 60);
            self.join(name, local).await?;
        }
        Ok(())
    }

    async fn join(&mut self, name: &str, local: &str) -> Result<()> {
        let secret = self.stage.mailed(&email(local)?, "/invitations/").await?;
        let name = parse_name(name)?;
        let stage = &self.stage;
        let (person, _) = stage
            .stranger(local, async |change| {
                let offer = invitations::find_by_token(change, &secret).await?.ok_or(Error::NotFound)?;
                invitations::accept_as_new(change, &offer, &name, stage.hashed()).await
            })
            .await?;
        self.stage.knows(local, person);
        Ok(())
    }

    /// A team opens; who is invited says yes the same day.
    async fn team(&mut self, day: u32, at: usize) -> Result<()> {
        let (name, slug, _, by, others) = TEAMS[at];
        self.stage.at(day, 11, 20);
        let (name, address) = (parse_name(name)?, Slug::parse(slug).map_err(Error::at("slug"))?);
        self.stage.act(by, ACME, async |it| teams::open(it, &name, Some(&address)).await).await?;
        let to = others.iter().map(|it| email(it)).collect::<Result<Vec<_>>>()?;
        let member = self.wanted("member", 0);
        self.invite(by, slug, member, &to, LoginType::Any).await?;
        for other in others {
            self.accept(other).await?;
        }
        Ok(())
    }

    /// The newest invitation that waits for somebody who has a user.
    pub async fn accept(&mut self, local: &str) -> Result<()> {
        let accept = async |change: &mut Change<Me>| {
            let offer = invitations::waiting(change).await?.into_iter().next().ok_or(Error::NotFound)?;
            invitations::accept(change, &offer).await
        };
        self.stage.alone(local, accept).await.map(drop)
    }

    async fn key(&mut self, day: u32, at: usize) -> Result<()> {
        let (who, name, _, lasts, is_revoked) = KEYS[at];
        self.stage.at(day, 14, 10);
        let (name, until) = (parse_name(name)?, (lasts > 0).then(|| self.stage.days(lasts)));
        let (permissions, resources) = self.made_for(KEYS[at].1);
        let new = keys::New { name: &name, expires_at: until, permissions, resources };
        let (id, _) = self.stage.act(who, ACME, async |it| keys::create(it, &new, None).await).await?;
        self.keys.push((at, id));
        if is_revoked {
            self.stage.act(who, ACME, async |it| keys::revoke(it, id).await).await?;
        }
        Ok(())
    }

    /// What a key is made for, if not for all that its maker may.
    fn made_for(&self, name: &str) -> (Option<Permissions>, Option<Vec<ResourceId>>) {
        use Permission::{RunResources, UpdateResources, ViewInvoices, ViewResources, ViewUsage};
        let (for_it, sources): (&[Permission], &[ResourceId]) = match name {
            "Nightly index refresh" => (&[ViewResources, UpdateResources, RunResources], &[]),
            "Dashboard" => (&[ViewUsage], &[]),
            "Weekly report" => (&[ViewInvoices], &[]),
            "Load test" => (&[ViewResources, RunResources], &self.sources[..2]),
            _ => (&[], &[]),
        };
        let resources = (!sources.is_empty()).then(|| sources.to_vec());
        ((!for_it.is_empty()).then(|| Permissions::of(for_it)), resources)
    }

    /// The ownership is offered, and kindly declined.
    async fn offer(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 15, 2);
        let lea = self.stage.person("lea.fontaine")?;
        let offered = async |change: &mut Change| {
            let to = seat(change, &lea).await?;
            let fresh = change.who().by.fresh(change.now()).ok_or(Error::Stale)?;
            transfers::offer(change, &fresh, to).await.map(drop)
        };
        // A new sign-in is a fresh proof.
        self.stage.visit("ada").await?;
        self.stage.act("ada", ACME, offered).await?;
        self.stage.at(day, 16, 48);
        self.stage.act("lea.fontaine", ACME, async |it| transfers::decline(it).await).await
    }

    /// Somebody's roles change.
    async fn raise(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 10, 33);
        for (local, roles) in [
            ("tomas.dvorak", &["video-developer", "image-analyst"][..]),
            ("wojciech.sliwa", &["member", "accountant"]),
            ("thandiwe", &["admin"]),
        ] {
            let person = self.stage.person(local)?;
            let wanted: Vec<Wanted> = roles.iter().map(|it| self.wanted(it, 0)).collect();
            let set = async |change: &mut Change| {
                let grants = grants::parse(change, &wanted).await?;
                let to = seat(change, &person).await?;
                members::set_grants(change, to, &grants).await
            };
            self.stage.act("ada", ACME, set).await?;
        }
        Ok(())
    }

    /// Contracts with an end: one that came, and two that will.
    async fn expire(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 13, 15);
        for (local, days) in
            [("dmitri.volkov", day - 12), ("aarav.patel", day + 9), ("rasmus.angstrom", day + 45)]
        {
            let (person, until) = (self.stage.person(local)?, self.stage.days(days));
            let set = async |change: &mut Change| {
                let to = seat(change, &person).await?;
                members::set_expiry(change, to, Some(until)).await
            };
            self.stage.act("kwame", ACME, set).await?;
        }
        Ok(())
    }

    /// Three are suspended, and one of them is let in again.
    async fn suspend(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 9, 58);
        for local in ["mehmet.yildiz", "deniz.ozturk", "olga.kravchenko"] {
            let person = self.stage.person(local)?;
            let set = async |change: &mut Change| {
                let to = seat(change, &person).await?;
                members::suspend(change, to).await
            };
            self.stage.act("kwame", ACME, set).await?;
        }
        self.stage.at(day - 1, 8, 20);
        let person = self.stage.person("olga.kravchenko")?;
        let set = async |change: &mut Change| {
            let to = seat(change, &person).await?;
            members::reactivate(change, to).await
        };
        self.stage.act("kwame", ACME, set).await
    }

    /// Invitations that came to nothing: expired, declined, revoked.
    async fn ask(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 10, 5);
        let to: Vec<Email> = ["walter.lindgren", "mina.park", "rosa.iglesias", "peter.novotny"]
            .iter()
            .map(|it| email(it))
            .collect::<Result<_>>()?;
        self.invite("lea.fontaine", ACME, self.wanted("developer", 0), &to, LoginType::Any).await?;
        self.stage.post(BOUNCES).await?;
        self.stage.at(day - 1, 12, 44);
        let secret = self.stage.mailed(&to[2], "/invitations/").await?;
        let declined = self.stage.stranger("rosa.iglesias", async |change| {
            let offer = invitations::find_by_token(change, &secret).await?.ok_or(Error::NotFound)?;
            invitations::decline(change, &offer).await
        });
        declined.await?;
        let filter = invitations::Filter { open_only: true, after: None, limit: 50 };
        let revoked = async |change: &mut Change| {
            let all = invitations::list(change, &filter).await?;
            let found = all.iter().find(|it| it.email.starts_with("peter")).ok_or(Error::NotFound)?;
            invitations::revoke(change, found.id).await
        };
        self.stage.act("lea.fontaine", ACME, revoked).await
    }

    /// Somebody leaves the company.
    async fn part(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 16, 30);
        let person = self.stage.person("nia.roberts")?;
        let removed = async |change: &mut Change| {
            let to = seat(change, &person).await?;
            members::remove(change, to, None).await
        };
        self.stage.act("lea.fontaine", ACME, removed).await
    }

    /// Invitations that wait, one of them at a mailbox that is not there.
    async fn wait(&mut self, day: u32) -> Result<()> {
        self.stage.at(day, 9, 12);
        for (to, role, login) in [
            (&["eun.ji.choi", "oscar.lindholm"][..], "member", LoginType::Any),
            (&["helena.brandt"], "accountant", LoginType::Sso),
            (&[BOUNCES], "video-developer", LoginType::Any),
        ] {
            let to = to.iter().map(|it| email(it)).collect::<Result<Vec<_>>>()?;
            self.invite("ada", ACME, self.wanted(role, 0), &to, login).await?;
        }
        self.stage.post(BOUNCES).await?;
        self.stage.at(day - 1, 15, 27);
        let to = [email("miguel.santos")?];
        self.invite("kwame", ACME, self.wanted("image-analyst", 0), &to, LoginType::Any).await
    }
}
