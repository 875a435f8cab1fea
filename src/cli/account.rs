//! `guildhall account …`
use super::{
    open::{House, Missing},
    out::{Done, Failed, say},
};
use crate::{
    model::{
        access::Person,
        account::Kind,
        domain::Domain,
        text::{Email, Name, Slug},
    },
    settings::Settings,
    store::{accounts, domains, users},
};
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;

#[derive(Subcommand)]
pub enum Account {
    /// Open an account; prints its slug
    Create(Create),
    /// List all accounts, newest first
    List {
        /// As a JSON array
        #[arg(long)]
        json: bool,
    },
    /// Vouch for an organization's domain, without asking the DNS
    VerifyDomain {
        /// The organization
        slug: String,
        /// The domain, such as example.com
        domain: String,
    },
    /// Set the plan of an account and its teams
    SetPlan {
        /// The account
        slug: String,
        /// A plan of the catalogue
        plan: String,
    },
}

#[derive(Args)]
pub struct Create {
    /// What kind
    #[arg(long, value_enum, default_value = "organization")]
    kind: Opened,
    /// Its name
    #[arg(long)]
    name: String,
    /// The address of the user who owns it. The limit of organizations per user is for users, and not asked here
    #[arg(long, value_name = "EMAIL")]
    owner: String,
    /// Its word in addresses; made of the name if not said
    #[arg(long)]
    slug: Option<String>,
}

/// A personal account comes with its user, and a team is opened where it belongs.
#[derive(Clone, Copy, ValueEnum)]
enum Opened {
    Organization,
}

impl Account {
    pub async fn run(self, settings: &Settings) -> Done {
        match self {
            Account::Create(it) => create(settings, it).await,
            Account::List { json } => list(settings, json).await,
            Account::VerifyDomain { slug, domain } => verify_domain(settings, &slug, &domain).await,
            Account::SetPlan { slug, plan } => set_plan(settings, &slug, &plan).await,
        }
    }
}

async fn create(settings: &Settings, it: Create) -> Done {
    let Opened::Organization = it.kind;
    let (name, email) = (Name::parse(&it.name)?, Email::parse(&it.owner)?);
    let slug = it.slug.as_deref().map(Slug::parse).transpose()?;
    let house = House::open(settings, Missing::Refuse, "guildhall account create").await?;
    let made = house.change(async |change| {
        let owner = users::find(change, &email).await?.ok_or_else(|| {
            Failed::because(format!(
                "No user has the address {email}. Make one with “guildhall user create”."
            ))
        })?;
        let owner = Person { id: owner.id, name: owner.name, email: owner.email };
        let plan = change.kit().catalog.first_plan().id.clone();
        let kind = Kind::Organization;
        let new = accounts::New { kind, name: name.as_str(), slug: slug.as_ref(), parent: None, plan: &plan };
        let id = accounts::open(change, &owner, &new).await?;
        Ok(accounts::slug_of(change, id).await?)
    });
    say(made.await?)
}

const PAGE: i64 = 500;

async fn list(settings: &Settings, as_json: bool) -> Done {
    let house = House::open(settings, Missing::Refuse, "guildhall account list").await?;
    let (mut before, mut mark) = (None, "[");
    loop {
        // A scope for each page: a slow reader of ours holds no connection.
        let page = accounts::list(&mut house.read(), before, PAGE).await?;
        for it in &page {
            if as_json {
                say(format!("{mark}{}", json_of(it)))?;
                mark = ",";
            } else {
                let parent = it.parent().map_or(String::new(), |it| format!(" of {}", it.slug));
                say(format!(
                    "{:<40} {:<12} {:<12} {:>7}  {}  {}{parent}",
                    it.slug,
                    it.kind.word(),
                    it.plan,
                    it.member_count,
                    it.owner_email,
                    it.name
                ))?;
            }
        }
        before = page.last().map(|it| it.id);
        if i64::try_from(page.len()).unwrap_or(0) < PAGE {
            break;
        }
    }
    match (as_json, mark) {
        (true, "[") => say("[]"),
        (true, _) => say("]"),
        _ => Ok(()),
    }
}

fn json_of(it: &accounts::Account) -> serde_json::Value {
    json!({
        "id": it.id,
        "slug": it.slug,
        "name": it.name,
        "kind": it.kind,
        "parent": it.parent(),
        "plan": it.plan,
        "owner": { "name": it.owner_name, "email": it.owner_email },
        "created_at": it.created_at,
        "member_count": it.member_count,
    })
}

async fn set_plan(settings: &Settings, slug: &str, plan: &str) -> Done {
    if settings.catalog.plan(plan).is_none() {
        let known: Vec<&str> = settings.catalog.plans.iter().map(|it| it.id.as_str()).collect();
        return Err(Failed::because(format!("There is no plan “{plan}”. There are: {}.", known.join(", "))));
    }
    let house = House::open(settings, Missing::Refuse, "guildhall account set-plan").await?;
    let change = house.change(async |change| {
        let account = accounts::by_slug(change, slug).await?.ok_or_else(|| unknown(slug))?;
        if let Some(parent) = account.parent() {
            return Err(Failed::because(format!(
                "“{slug}” is a team: its plan is that of “{}”.",
                parent.slug
            )));
        }
        Ok(accounts::set_plan(change, &account, plan).await?)
    });
    change.await?;
    say(slug)
}

async fn verify_domain(settings: &Settings, slug: &str, domain: &str) -> Done {
    let domain = Domain::parse(domain)?;
    let house = House::open(settings, Missing::Refuse, "guildhall account verify-domain").await?;
    let change = house.change(async |change| {
        let account = accounts::by_slug(change, slug).await?.ok_or_else(|| unknown(slug))?;
        if account.kind != Kind::Organization {
            return Err(Failed::because(format!("“{slug}” is no organization: only they have domains.")));
        }
        Ok(domains::vouch(change, account.id, &domain).await?)
    });
    change.await?;
    say(domain)
}

/// There is no account of that slug.
pub fn unknown(slug: &str) -> Failed {
    Failed::because(format!("There is no account “{slug}”."))
}
