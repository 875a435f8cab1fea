//! `guildhall account …`
use super::{
    open::{IfMissing, Installation},
    out::{CliError, CliResult, print},
};
use crate::{
    model::{
        account::Kind,
        actor::UserSummary,
        domain::Domain,
        text::{EmailAddress, Name, Slug},
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
    /// Mark a domain of an organization as verified, without a DNS check
    VerifyDomain {
        /// The slug of the organization
        slug: String,
        /// The domain, such as example.com
        domain: String,
    },
    /// Set the plan of an account and its teams
    SetPlan {
        /// The slug of the account
        slug: String,
        /// The ID of a plan in the catalogue
        plan: String,
    },
}

#[derive(Args)]
pub struct Create {
    /// The kind of the account
    #[arg(long, value_enum, default_value = "organization")]
    kind: CreatableKind,
    /// The name
    #[arg(long)]
    name: String,
    /// The email address of the owner, who must have signed up. The limit of organizations per user does not apply here
    #[arg(long, value_name = "EMAIL")]
    owner: String,
    /// The slug; made from the name by default
    #[arg(long)]
    slug: Option<String>,
}

/// Personal accounts are created with their users, and teams in the console of their organization.
#[derive(Clone, Copy, ValueEnum)]
enum CreatableKind {
    Organization,
}

impl Account {
    pub async fn run(self, settings: &Settings) -> CliResult {
        match self {
            Account::Create(args) => create(settings, args).await,
            Account::List { json } => list(settings, json).await,
            Account::VerifyDomain { slug, domain } => verify_domain(settings, &slug, &domain).await,
            Account::SetPlan { slug, plan } => set_plan(settings, &slug, &plan).await,
        }
    }
}

async fn create(settings: &Settings, args: Create) -> CliResult {
    let CreatableKind::Organization = args.kind;
    let (name, email) = (Name::parse(&args.name)?, EmailAddress::parse(&args.owner)?);
    let slug = args.slug.as_deref().map(Slug::parse).transpose()?;
    let installation = Installation::open(settings, IfMissing::Fail, "guildhall account create").await?;
    let created = installation.change(async |change| {
        let owner = users::find(change, &email).await?.ok_or_else(|| {
            CliError::new(format!(
                "No user has the address {email}. Create one with “guildhall user create”."
            ))
        })?;
        let owner = UserSummary { id: owner.id, name: owner.name, email: owner.email };
        let plan = change.context().catalog.first_plan().id.clone();
        let kind = Kind::Organization;
        let new = accounts::NewAccount {
            kind,
            name: name.as_str(),
            slug: slug.as_ref(),
            parent: None,
            plan: &plan,
        };
        let id = accounts::open(change, &owner, &new).await?;
        Ok(accounts::slug_of(change, id).await?)
    });
    print(created.await?)
}

const PAGE_SIZE: i64 = 500;

async fn list(settings: &Settings, as_json: bool) -> CliResult {
    let installation = Installation::open(settings, IfMissing::Fail, "guildhall account list").await?;
    let (mut before, mut separator) = (None, "[");
    loop {
        // A scope for each page, so that a slow reader of the output holds no connection.
        let page = accounts::list(&mut installation.read(), before, PAGE_SIZE).await?;
        for account in &page {
            if as_json {
                print(format!("{separator}{}", to_json(account)))?;
                separator = ",";
            } else {
                let parent = account.parent().map_or(String::new(), |parent| format!(" of {}", parent.slug));
                print(format!(
                    "{:<40} {:<12} {:<12} {:>7}  {}  {}{parent}",
                    account.slug,
                    account.kind.as_str(),
                    account.plan,
                    account.member_count,
                    account.owner_email,
                    account.name
                ))?;
            }
        }
        before = page.last().map(|account| account.id);
        if i64::try_from(page.len()).unwrap_or(0) < PAGE_SIZE {
            break;
        }
    }
    match (as_json, separator) {
        (true, "[") => print("[]"),
        (true, _) => print("]"),
        _ => Ok(()),
    }
}

fn to_json(account: &accounts::Account) -> serde_json::Value {
    json!({
        "id": account.id,
        "slug": account.slug,
        "name": account.name,
        "kind": account.kind,
        "parent": account.parent(),
        "plan": account.plan,
        "owner": { "name": account.owner_name, "email": account.owner_email },
        "created_at": account.created_at,
        "member_count": account.member_count,
    })
}

async fn set_plan(settings: &Settings, slug: &str, plan: &str) -> CliResult {
    if settings.catalog.plan(plan).is_none() {
        let known: Vec<&str> = settings.catalog.plans.iter().map(|plan| plan.id.as_str()).collect();
        return Err(CliError::new(format!(
            "There is no plan “{plan}”. The plans are: {}.",
            known.join(", ")
        )));
    }
    let installation = Installation::open(settings, IfMissing::Fail, "guildhall account set-plan").await?;
    let change = installation.change(async |change| {
        let account = accounts::by_slug(change, slug).await?.ok_or_else(|| unknown(slug))?;
        if let Some(parent) = account.parent() {
            return Err(CliError::new(format!(
                "“{slug}” is a team, which has the plan of “{}”.",
                parent.slug
            )));
        }
        Ok(accounts::set_plan(change, &account, plan).await?)
    });
    change.await?;
    print(slug)
}

async fn verify_domain(settings: &Settings, slug: &str, domain: &str) -> CliResult {
    let domain = Domain::parse(domain)?;
    let installation =
        Installation::open(settings, IfMissing::Fail, "guildhall account verify-domain").await?;
    let change = installation.change(async |change| {
        let account = accounts::by_slug(change, slug).await?.ok_or_else(|| unknown(slug))?;
        if account.kind != Kind::Organization {
            return Err(CliError::new(format!(
                "“{slug}” is not an organization. Only organizations have domains."
            )));
        }
        Ok(domains::vouch(change, account.id, &domain).await?)
    });
    change.await?;
    print(domain)
}

pub fn unknown(slug: &str) -> CliError {
    CliError::new(format!("There is no account “{slug}”."))
}
