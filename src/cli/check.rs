//! `guildhall check`: checks everything, changes nothing.
use super::{
    open::{self, check_key, connect},
    out::{CliError, CliResult, print},
};
use crate::{
    clients::{payments::Stripe, smtp::SmtpMailer, social::Social},
    context::Context,
    db::Db,
    settings::{Database, Settings},
    store::{Scope, System, sso},
};
use tokio::task::JoinSet;

/// What is in order, or what is wrong and how to fix it.
type Finding = Result<String, String>;

pub async fn run(settings: &Settings) -> CliResult {
    let base_url = settings.base_url(settings.listen);
    let mut findings: Vec<(&str, Finding)> = vec![("settings", Ok(address(settings, &base_url)))];
    findings.push(("catalogue", Ok(catalogue(settings))));
    let context = if settings.database.is_missing() { None } else { Some(open::context(settings, base_url)) };
    match context {
        None => findings.push(("database", missing_file(settings))),
        Some(Ok(context)) => {
            let db = connect(settings).await;
            findings.push(("database", database(settings, db.as_ref()).await));
            if let Ok(db) = db {
                findings.push(("secret key", secret_key(&db, &context).await));
                let issuers = issuers(&db, &context).await;
                findings.extend(issuers.into_iter().map(|finding| ("single sign-on", finding)));
                db.close().await;
            }
        }
        Some(Err(error)) => findings.push(("secret key", Err(message(&error)))),
    }
    findings.push(("mail server", mail(settings).await));
    findings.push(("payments", payments(settings).await));
    findings.push(("Google", google(settings).await));
    findings.push(("GitHub", Ok(github(settings))));

    let mut wrong = 0;
    for (what, finding) in findings {
        match finding {
            Ok(text) => print(format!("ok     {what}: {text}"))?,
            Err(text) => {
                wrong += 1;
                print(format!("WRONG  {what}: {text}"))?;
            }
        }
    }
    if wrong == 0 { Ok(()) } else { Err(CliError::AlreadyReported) }
}

fn message(error: &CliError) -> String {
    error.message().unwrap_or_default().to_owned()
}

fn address(settings: &Settings, base_url: &str) -> String {
    let open = if settings.open_sign_up { "anybody may sign up" } else { "only invited people may sign up" };
    format!("serves {base_url} at {}; {open}", settings.listen)
}

fn catalogue(settings: &Settings) -> String {
    let source = settings.catalog_path.as_ref();
    let source = source.map_or("built in".to_owned(), |path| path.display().to_string());
    let (products, plans) = (settings.catalog.products.len(), settings.catalog.plans.len());
    format!("{source}; {products} products, {plans} plans")
}

/// The file is created at the first start: its directory must exist and be writable.
fn missing_file(settings: &Settings) -> Finding {
    let Database::Sqlite(_, path) = &settings.database else { return Ok(String::new()) };
    let shown = path.display();
    let directory =
        path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    match std::fs::metadata(directory) {
        Ok(metadata) if !metadata.is_dir() => Err(format!("{} is not a directory", directory.display())),
        Ok(metadata) if metadata.permissions().readonly() => Err(format!(
            "{} cannot be written: the database {shown} would be created there",
            directory.display()
        )),
        Ok(_) => Ok(format!(
            "{shown} does not exist yet: it is created, with its secret key beside it, at the first start"
        )),
        Err(cause) => Err(format!("the directory of {shown} cannot be reached ({cause}); create it first")),
    }
}

async fn database(settings: &Settings, db: Result<&Db, &CliError>) -> Finding {
    let db = db.map_err(message)?;
    let shown = settings.database.describe();
    match db.pending_migrations().await {
        Ok(0) => Ok(format!("{shown} answers, and its schema is up to date")),
        Ok(count) => Ok(format!("{shown} answers; {count} migrations are applied at the next start")),
        Err(cause) => Err(format!("{shown} cannot be read ({cause})")),
    }
}

async fn secret_key(db: &Db, context: &Context) -> Finding {
    if db.pending_migrations().await.is_ok_and(|count| count > 0) {
        return Ok("it is set; it is checked against the database after the migrations".into());
    }
    check_key(db, context).await.map_err(|error| message(&error))?;
    Ok("it is the one that signed the audit log".into())
}

/// Each identity provider must answer with its document and its keys.
async fn issuers(db: &Db, context: &Context) -> Vec<Finding> {
    if db.pending_migrations().await.is_ok_and(|count| count > 0) {
        return vec![];
    }
    let listed = async {
        let mut scope = Scope::system(db, System("guildhall check"), context);
        sso::issuers(&mut scope).await
    };
    let all = match listed.await {
        Ok(all) if all.is_empty() => return vec![],
        Ok(all) => all,
        Err(cause) => return vec![Err(format!("the providers cannot be read ({})", cause.cause()))],
    };
    // In batches of concurrent requests, because one that does not answer takes ten seconds.
    let mut findings = vec![];
    for batch in all.chunks(8) {
        let mut requests: JoinSet<Finding> = JoinSet::new();
        for (slug, issuer) in batch {
            let (oidc, slug, issuer) = (context.oidc.clone(), slug.clone(), issuer.clone());
            requests.spawn(async move {
                match oidc.discover(&issuer).await {
                    Ok(discovery) => {
                        Ok(format!("{issuer} of {slug} answers, with {} keys", discovery.key_count()))
                    }
                    Err(error) => Err(format!("{issuer} of {slug}: {}", error.detail)),
                }
            });
        }
        findings.extend(requests.join_all().await);
    }
    findings
}

async fn payments(settings: &Settings) -> Finding {
    let Some(config) = &settings.stripe else {
        return Ok("by hand, recorded by the operator; for cards, set GUILDHALL_STRIPE_SECRET_KEY and \
             GUILDHALL_STRIPE_WEBHOOK_SECRET"
            .into());
    };
    let stripe = Stripe::new(&config.url, &config.secret_key, &config.webhook_secret)?;
    match stripe.check().await {
        Ok(()) => Ok(format!(
            "{} accepts our key; its webhook must point to {}/webhooks/stripe",
            config.url,
            settings.base_url(settings.listen)
        )),
        Err(cause) => {
            Err(format!("{}: {cause} See GUILDHALL_STRIPE_SECRET_KEY and GUILDHALL_STRIPE_URL", config.url))
        }
    }
}

async fn google(settings: &Settings) -> Finding {
    let Some(client) = &settings.social.google else {
        return Ok(
            "not offered; to offer it, set GUILDHALL_GOOGLE_CLIENT_ID and GUILDHALL_GOOGLE_CLIENT_SECRET"
                .into(),
        );
    };
    match Social::new(settings.social.clone(), settings.dns_resolver).check_google().await {
        Ok(()) => Ok(format!("{} answers; our client ID there is {}", client.issuer, client.id)),
        Err(error) => Err(format!("{} See GUILDHALL_GOOGLE_ISSUER", error.detail)),
    }
}

fn github(settings: &Settings) -> String {
    match &settings.social.github {
        Some(client) => {
            format!("people can sign in with {}; our client ID there is {}", client.url, client.id)
        }
        None => "not offered; to offer it, set GUILDHALL_GITHUB_CLIENT_ID and GUILDHALL_GITHUB_CLIENT_SECRET"
            .into(),
    }
}

async fn mail(settings: &Settings) -> Finding {
    let Some(url) = &settings.smtp_url else {
        return if settings.is_loopback() {
            Ok("none; emails stay in the database, and can be read at /dev/mail".into())
        } else {
            Err("none, so no emails are sent; set GUILDHALL_SMTP_URL".into())
        };
    };
    let mailer = SmtpMailer::new(url, &settings.mail_from)
        .map_err(|problem| format!("{problem}; see GUILDHALL_SMTP_URL"))?;
    let shown = mailer.describe().to_owned();
    match mailer.check().await {
        Ok(()) => Ok(format!("{shown} accepts us; emails are sent as {}", settings.mail_from)),
        Err(cause) => Err(format!("{shown} does not accept us: {cause}; see GUILDHALL_SMTP_URL")),
    }
}
