//! Ninety days of Acme.
use super::{
    chapters::Chapter,
    people::{KEYS, RESOURCES, TEAMS, WAVES},
    stage::{Stage, email, parse_name},
};
use crate::{
    context::Kit,
    db::Db,
    error::{Error, Result},
    model::{
        account::LoginType,
        id::{KeyId, ResourceId, RoleId},
        permission::{Permission, Permissions},
        text::{Email, Slug},
        time::{HOUR, MINUTE, Time},
    },
    store::{
        Change, Me, accounts, demo,
        grants::{self, Wanted, WantedScope},
        invitations, sessions, users,
    },
};
use std::collections::BTreeMap;

pub const ACME: &str = "acme";
pub const BOUNCES: &str = "jordan.blake@acme-mail.test";

/// What the story is about, besides its people.
pub struct Acme {
    pub stage: Stage,
    support: RoleId,
    pub sources: Vec<ResourceId>,
    pub keys: Vec<super::usage::Made>,
    /// When each key was used last.
    pub used: BTreeMap<KeyId, Time>,
    /// How many days ago it was until which the work is told.
    pub told: u32,
}

pub async fn tell(db: &Db, kit: &Kit) -> Result<()> {
    let now = kit.now();
    let mut acme = open(Stage::new(db, kit).await?).await?;
    let mut chapters: Vec<(u32, Chapter)> = vec![];
    chapters.extend(WAVES.iter().enumerate().map(|(at, wave)| (wave.0, Chapter::Hire(at))));
    chapters.extend(TEAMS.iter().enumerate().map(|(at, team)| (team.2, Chapter::Team(at))));
    chapters.extend(KEYS.iter().enumerate().map(|(at, key)| (key.2, Chapter::Key(at))));
    chapters.extend([
        (61, Chapter::Offer),
        (44, Chapter::Raise),
        (40, Chapter::Expire),
        (24, Chapter::Suspend),
    ]);
    chapters.extend(acme.stage.months().into_iter().map(|it| (it, Chapter::Bill)));
    chapters.extend([
        (16, Chapter::Ask),
        (14, Chapter::Connect),
        (6, Chapter::Part),
        (3, Chapter::Come),
        (2, Chapter::Wait),
    ]);
    // A month ends before anything else happens on the day.
    chapters.sort_by_key(|it| (std::cmp::Reverse(it.0), !matches!(it.1, Chapter::Bill)));
    for (day, chapter) in chapters {
        acme.play(day, &chapter).await?;
        acme.stage.post(BOUNCES).await?;
    }
    acme.second_organization().await?;
    acme.visits(now).await?;
    acme.stage.set(now);
    acme.work(now).await?;
    acme.uses().await?;
    acme.stage.set(now);
    acme.budgets().await?;
    acme.busiest().await?;
    acme.stage.host(async |change| users::set_demo(change).await).await
}

/// The first days: an owner, an organization, what it is about.
async fn open(mut stage: Stage) -> Result<Acme> {
    stage.at(90, 8, 41);
    stage.sign_up("Ada Okonkwo-Lindqvist", "ada", true).await?;
    stage.soon();
    let (name, slug) = (parse_name("Acme")?, Slug::parse(ACME).map_err(Error::at("slug"))?);
    stage.alone("ada", async |it| accounts::open_organization(it, &name, Some(&slug)).await).await?;
    stage.at(89, 9, 5);
    stage
        .host(async |change| match accounts::by_slug(change, ACME).await? {
            Some(account) => accounts::set_plan(change, &account, "developer").await,
            None => Err(Error::NotFound),
        })
        .await?;
    let policy = accounts::Update { admins_may_delete: Some(false), ..accounts::Update::default() };
    stage.act("ada", ACME, async |it| accounts::update(it, policy).await).await?;
    stage.at(88, 10, 12);
    let support = stage
        .act("ada", ACME, async |it| {
            let name = parse_name("Support lead")?;
            let allows = [
                Permission::ViewAccount,
                Permission::ViewMembers,
                Permission::InviteMembers,
                Permission::ViewResources,
                Permission::ViewUsage,
            ];
            let says = "Answers customers: looks around, and invites people.";
            demo::add_role(it, &name, says, Permissions::of(&allows)).await
        })
        .await?;
    let mut sources = vec![];
    for it in RESOURCES {
        let id = stage.act("ada", ACME, async |change| demo::add_resource(change, *it).await).await?;
        if matches!(it.1, "video_collection" | "image_source") {
            sources.push(id);
        }
    }
    Ok(Acme { stage, support, sources, keys: vec![], used: BTreeMap::new(), told: 90 })
}

impl Acme {
    pub fn wanted(&self, role: &str, at: usize) -> Wanted {
        let resources = |it: &[ResourceId]| {
            Some(WantedScope::Resources { resources: it.iter().map(|it| it.0).collect() })
        };
        let (role, scope) = match role {
            "support" => (self.support.to_string(), None),
            // Some have sources of one product, some of both.
            "source" if at.is_multiple_of(2) => ("source-specific".into(), resources(&self.sources[..2])),
            "source" => ("source-specific".into(), resources(&self.sources[2..])),
            label => (label.to_owned(), None),
        };
        Wanted { role, scope, expires_at: None }
    }

    pub async fn invite(
        &mut self,
        by: &str,
        slug: &str,
        wanted: Wanted,
        to: &[Email],
        login: LoginType,
    ) -> Result<()> {
        let to: Vec<String> = to.iter().map(ToString::to_string).collect();
        let invited = async |change: &mut Change| {
            let grants = grants::parse(change, &[wanted]).await?;
            invitations::invite(change, &to, &grants, login).await
        };
        let made = self.stage.act(by, slug, invited).await?;
        match made.rejected.first() {
            Some(it) => Err(Error::Internal(format!("{}: {}", it.email, it.detail))),
            None => Ok(()),
        }
    }

    /// Ada advises another organization.
    async fn second_organization(&mut self) -> Result<()> {
        self.stage.at(1, 16, 2);
        self.stage.sign_up("Ruth Adler", "ruth@northwind.test", false).await?;
        let (name, slug) =
            (parse_name("Northwind Labs")?, Slug::parse("northwind").map_err(Error::at("slug"))?);
        let opened = async |it: &mut Change<Me>| accounts::open_organization(it, &name, Some(&slug)).await;
        self.stage.alone("ruth@northwind.test", opened).await?;
        let to = [email("ada")?];
        self.invite("ruth@northwind.test", "northwind", self.wanted("analyst", 0), &to, LoginType::Any)
            .await?;
        self.accept("ada").await?;
        self.stage.post(BOUNCES).await
    }

    /// When each was last here: some a moment ago, some days.
    async fn visits(&mut self, now: Time) -> Result<()> {
        let account = self.stage.host(async |change| accounts::by_slug(change, ACME).await).await?;
        let account = account.ok_or(Error::NotFound)?.id;
        for (n, person) in self.stage.everybody().iter().enumerate() {
            let local = person.email.strip_suffix("@acme.test").unwrap_or(&person.email).to_owned();
            let n = u32::try_from(n).unwrap_or(0);
            let ago = if local == "ada" {
                MINUTE * 11
            } else {
                HOUR * (n * n % 97) + MINUTE * (n * 7 % 60) + MINUTE
            };
            self.stage.set(now.minus(ago));
            let session = self.stage.visit(&local).await?;
            // Who is outside, or may not enter, was not here.
            let is_out =
                ["mehmet.yildiz", "deniz.ozturk", "dmitri.volkov", "nia.roberts"].contains(&local.as_str());
            if !is_out && !person.email.ends_with("@northwind.test") {
                sessions::touch(&self.stage.db, &self.stage.kit, session, Some(account)).await?;
            }
        }
        Ok(())
    }
}
