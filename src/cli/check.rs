//! `guildhall check`: looks at everything, changes nothing.
use super::{
    open::{check_key, connect, kit},
    out::{Done, Failed, say},
};
use crate::{
    clients::{payments::Stripe, smtp::Postman, social::Social},
    context::Kit,
    db::Db,
    settings::{Database, Settings},
    store::{Client, Host, Scope, sso},
};
use tokio::task::JoinSet;

/// What was found: in order, or a sentence that says what is wrong and what to do.
type Finding = Result<String, String>;

pub async fn run(settings: &Settings) -> Done {
    let base_url = settings.base_url(settings.listen);
    let mut all: Vec<(&str, Finding)> = vec![("settings", Ok(address(settings, &base_url)))];
    all.push(("catalogue", Ok(catalogue(settings))));
    let fresh = settings.database.is_missing();
    let kit = if fresh { None } else { Some(kit(settings, base_url)) };
    match kit {
        None => all.push(("database", missing(settings))),
        Some(Ok(kit)) => {
            let db = connect(settings).await;
            all.push(("database", database(settings, db.as_ref()).await));
            if let Ok(db) = db {
                all.push(("secret key", secret_key(&db, &kit).await));
                all.extend(issuers(&db, &kit).await.into_iter().map(|it| ("single sign-on", it)));
                db.close().await;
            }
        }
        Some(Err(failed)) => all.push(("secret key", Err(sentence(&failed)))),
    }
    all.push(("mail server", mail(settings).await));
    all.push(("payments", payments(settings).await));
    all.push(("Google", google(settings).await));
    all.push(("GitHub", Ok(github(settings))));

    let mut wrong = 0;
    for (what, found) in all {
        match found {
            Ok(it) => say(format!("ok     {what}: {it}"))?,
            Err(it) => {
                wrong += 1;
                say(format!("WRONG  {what}: {it}"))?;
            }
        }
    }
    if wrong == 0 { Ok(()) } else { Err(Failed::Told) }
}

fn sentence(it: &Failed) -> String {
    it.sentence().unwrap_or_default().to_owned()
}

fn address(settings: &Settings, base_url: &str) -> String {
    let open = if settings.open_sign_up { "anybody may sign up" } else { "who is invited may sign up" };
    format!("serves {base_url} at {}; {open}", settings.listen)
}

fn catalogue(settings: &Settings) -> String {
    let whose = settings.catalog_path.as_ref().map_or("built in".to_owned(), |it| it.display().to_string());
    let (products, plans) = (settings.catalog.products.len(), settings.catalog.plans.len());
    format!("{whose}; {products} products, {plans} plans")
}

/// A file that is made at the first start needs a directory to be made in.
fn missing(settings: &Settings) -> Finding {
    let Database::Sqlite(_, path) = &settings.database else { return Ok(String::new()) };
    let shown = path.display();
    let directory =
        path.parent().filter(|it| !it.as_os_str().is_empty()).unwrap_or(std::path::Path::new("."));
    match std::fs::metadata(directory) {
        Ok(it) if !it.is_dir() => Err(format!("{} is no directory", directory.display())),
        Ok(it) if it.permissions().readonly() => Err(format!(
            "{} cannot be written: the database {shown} would be made there",
            directory.display()
        )),
        Ok(_) => Ok(format!(
            "{shown} is not there yet: it is made, and its secret key beside it, at the first start"
        )),
        Err(cause) => Err(format!("the directory of {shown} cannot be reached ({cause}); make it first")),
    }
}

async fn database(settings: &Settings, db: Result<&Db, &Failed>) -> Finding {
    let db = db.map_err(sentence)?;
    let shown = settings.database.describe();
    match db.behind().await {
        Ok(0) => Ok(format!("{shown} answers, and its schema is up to date")),
        Ok(steps) => Ok(format!("{shown} answers; {steps} migrations are made at the next start")),
        Err(cause) => Err(format!("{shown} cannot be read ({cause})")),
    }
}

async fn secret_key(db: &Db, kit: &Kit) -> Finding {
    if db.behind().await.is_ok_and(|it| it > 0) {
        return Ok("there".into());
    }
    check_key(db, kit).await.map_err(|it| sentence(&it))?;
    Ok("it is the one under which the audit log is written".into())
}

/// Each identity provider must answer with its document and its keys.
async fn issuers(db: &Db, kit: &Kit) -> Vec<Finding> {
    if db.behind().await.is_ok_and(|it| it > 0) {
        return vec![];
    }
    let listed = async {
        let mut scope = Scope::read(db, Host("guildhall check"), kit, &Client::default());
        sso::issuers(&mut scope).await
    };
    let all = match listed.await {
        Ok(all) if all.is_empty() => return vec![],
        Ok(all) => all,
        Err(cause) => return vec![Err(format!("the providers cannot be read ({})", cause.cause()))],
    };
    // A few at a time: one that is away takes its ten seconds.
    let mut found = vec![];
    for some in all.chunks(8) {
        let mut asked: JoinSet<Finding> = JoinSet::new();
        for (slug, issuer) in some {
            let (oidc, slug, issuer) = (kit.oidc.clone(), slug.clone(), issuer.clone());
            asked.spawn(async move {
                match oidc.look(&issuer).await {
                    Ok(it) => Ok(format!("{issuer} of {slug} answers, with {} keys", it.key_count())),
                    Err(it) => Err(format!("{issuer} of {slug}: {}", it.detail)),
                }
            });
        }
        found.extend(asked.join_all().await);
    }
    found
}

/// Half of Stripe's settings is refused before anything is looked at.
async fn payments(settings: &Settings) -> Finding {
    let Some(it) = &settings.stripe else {
        return Ok("by hand, as the operator notes them; for cards, set GUILDHALL_STRIPE_SECRET_KEY and \
             GUILDHALL_STRIPE_WEBHOOK_SECRET"
            .into());
    };
    let stripe = Stripe::new(&it.url, &it.secret_key, &it.webhook_secret)?;
    match stripe.check().await {
        Ok(()) => Ok(format!(
            "{} takes our key; its webhook belongs at {}/webhooks/stripe",
            it.url,
            settings.base_url(settings.listen)
        )),
        Err(cause) => {
            Err(format!("{}: {cause} See GUILDHALL_STRIPE_SECRET_KEY and GUILDHALL_STRIPE_URL", it.url))
        }
    }
}

async fn google(settings: &Settings) -> Finding {
    let Some(client) = &settings.social.google else {
        return Ok(
            "nobody signs in by it; set GUILDHALL_GOOGLE_CLIENT_ID and GUILDHALL_GOOGLE_CLIENT_SECRET".into(),
        );
    };
    match Social::new(settings.social.clone(), settings.dns_resolver).check_google().await {
        Ok(()) => Ok(format!("{} answers; we are {} there", client.issuer, client.id)),
        Err(refusal) => Err(format!("{} See GUILDHALL_GOOGLE_ISSUER", refusal.detail)),
    }
}

fn github(settings: &Settings) -> String {
    match &settings.social.github {
        Some(client) => format!("people sign in by {}; we are {} there", client.url, client.id),
        None => {
            "nobody signs in by it; set GUILDHALL_GITHUB_CLIENT_ID and GUILDHALL_GITHUB_CLIENT_SECRET".into()
        }
    }
}

async fn mail(settings: &Settings) -> Finding {
    let Some(url) = &settings.smtp_url else {
        return if settings.is_loopback() {
            Ok("none; mails are kept in the database, and readable at /dev/mail".into())
        } else {
            Err("none, so nobody gets a mail; set GUILDHALL_SMTP_URL".into())
        };
    };
    let postman =
        Postman::new(url, &settings.mail_from).map_err(|it| format!("{it}; see GUILDHALL_SMTP_URL"))?;
    let shown = postman.describe().to_owned();
    match postman.check().await {
        Ok(()) => Ok(format!("{shown} lets us in; mails come from {}", settings.mail_from)),
        Err(cause) => Err(format!("{shown} does not let us in: {cause}; see GUILDHALL_SMTP_URL")),
    }
}
