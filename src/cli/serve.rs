//! `guildhall serve`
use super::{
    open::{check_key, database, kit},
    out::{Done, Failed, say},
};
use crate::{
    clients::{
        payments::{ByHand, Stripe, Till},
        smtp::Postman,
    },
    context::Kit,
    crypto::secrets::{hash, token},
    db::Db,
    demo,
    gateway::replica_sync::Watch,
    http::{App, Serving},
    jobs::Worker,
    settings::Settings,
    store::{Change, Client, Host, Scope, users},
};
use clap::Args;
use std::{
    future::{IntoFuture as _, poll_fn},
    sync::Arc,
    task::Poll,
    time::Duration,
};
use tokio::{net::TcpListener, signal, sync::watch, time::timeout};

#[derive(Args, Default)]
pub struct Serve {
    /// Fill an empty database with an organization to try everything out in: sign in as ada@acme.test with the password
    /// guildhall-demo. On loopback only
    #[arg(long)]
    demo: bool,
}

/// How long running requests and deliveries have, once we are told to stop.
const GRACE: Duration = Duration::from_secs(9);

impl Serve {
    pub async fn run(self, settings: &Settings) -> Done {
        if self.demo && !settings.is_loopback() {
            let sentence = "The demonstration has a password that everybody knows: it is served on loopback only. \
                Check GUILDHALL_LISTEN and GUILDHALL_BASE_URL.";
            return Err(Failed::Settings(sentence.into()));
        }
        let postman =
            settings.smtp_url.as_ref().map(|url| Postman::new(url, &settings.mail_from)).transpose();
        let postman = postman.map_err(|it| Failed::Settings(format!("GUILDHALL_SMTP_URL: {it}.")))?;
        // Before the database: where it is made, its key is there first.
        settings.secret_key().map_err(Failed::Settings)?;
        let listener = TcpListener::bind(settings.listen).await.map_err(|it| {
            Failed::because(format!(
                "{} cannot be listened at ({it}). Check GUILDHALL_LISTEN.",
                settings.listen
            ))
        })?;
        let address = listener.local_addr().unwrap_or(settings.listen);
        let db = database(settings).await?;
        let kit = kit(settings, settings.base_url(address))?;
        let kit = if self.demo { demo::sold(kit) } else { kit };
        check_key(&db, &kit).await?;
        if self.demo {
            demo::fill(&db, &kit).await?;
        }
        // Until here, the end of the process undoes what was begun; from here on, it stops in order.
        let told = told_to_stop();
        greet(settings, &db, &kit, self.demo).await?;

        let has_mailbox = postman.is_none() && kit.rules.loopback;
        let serving = Serving {
            mailbox: has_mailbox,
            proxies: settings.trusted_proxies.clone(),
            metrics_token: settings.metrics_token.clone(),
        };
        let till = till(settings)?;
        let app = App::new(db.clone(), kit.clone(), serving).paid_by(till.clone());
        let mut watch = Watch::new(db.clone(), kit.clone(), app.clone());
        // Before the first request: who serves already counts with us from now on.
        if let Err(cause) = watch.glance().await {
            tracing::warn!(?cause, "changes made elsewhere are not heard yet");
        }
        let front = app.front(crate::routes());
        let (stop, stopped) = watch::channel(());
        let server =
            axum::serve(listener, front.for_each_connection()).with_graceful_shutdown(over(stopped.clone()));
        let mut server = tokio::spawn(server.into_future());
        let watch = tokio::spawn(watch.run(over(stopped.clone())));
        let worker = tokio::spawn(Worker::new(db.clone(), kit, postman).paid_by(till).run(over(stopped)));
        tokio::select! {
            () = told => {}
            ended = &mut server => {
                let cause = ended.map_or_else(|it| it.to_string(), |it| format!("{it:?}"));
                return Err(Failed::Because(format!("The server ended by itself ({cause}).")));
            }
        }
        tracing::info!("stopping");
        drop(stop);
        if timeout(GRACE, async { (server.await, worker.await, watch.await) }).await.is_err() {
            tracing::warn!(
                "stopped before all was done: what was not finished is undone, and mails are sent later"
            );
        }
        let _ = timeout(Duration::from_millis(800), db.close()).await;
        Ok(())
    }
}

/// How invoices are paid: by card, or by hand.
fn till(settings: &Settings) -> Done<Arc<dyn Till>> {
    let Some(it) = &settings.stripe else { return Ok(Arc::new(ByHand)) };
    let stripe = Stripe::new(&it.url, &it.secret_key, &it.webhook_secret);
    let stripe = stripe.map_err(|it| Failed::Settings(format!("Stripe cannot be used: {it}.")))?;
    Ok(Arc::new(stripe))
}

async fn over(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// SIGTERM, or Ctrl-C: heard from the call on, and not only once it is awaited.
#[cfg(unix)]
fn told_to_stop() -> impl Future<Output = ()> {
    use signal::unix::{SignalKind, signal};
    let mut signals = [SignalKind::terminate(), SignalKind::interrupt()].map(|it| signal(it).ok());
    poll_fn(move |context| {
        let is_told = signals.iter_mut().flatten().any(|it| it.poll_recv(context).is_ready());
        if is_told { Poll::Ready(()) } else { Poll::Pending }
    })
}
#[cfg(not(unix))]
async fn told_to_stop() {
    if signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Where we are, and what the operator needs to know.
async fn greet(settings: &Settings, db: &Db, kit: &Kit, demo: bool) -> Done {
    let base = &kit.rules.base_url;
    say(format!("Guildhall {} at {base}", env!("CARGO_PKG_VERSION")))?;
    match (settings.smtp_url.is_some(), kit.rules.loopback) {
        (true, _) => {}
        (false, true) => say(format!("No mail server is set: read the mails at {base}/dev/mail"))?,
        (false, false) => say("No mail server is set, so nobody gets a mail: set GUILDHALL_SMTP_URL")?,
    }
    if demo {
        return say("Sign in as ada@acme.test with the password guildhall-demo");
    }
    let host = Host("guildhall serve");
    let has_operator = {
        let mut scope = Scope::read(db, host.clone(), kit, &Client::default());
        users::has_operator(&mut scope).await?
    };
    if has_operator {
        return Ok(());
    }
    if kit.rules.loopback {
        return say(format!("Sign up at {base}/sign-up: the first to sign up runs this installation"));
    }
    // Only its hash is kept: each start without an operator prints a new one.
    let secret = token(&kit.chance);
    let mut change = Change::<Host>::begin(db, host, kit).await?;
    users::set_setup(&mut change, &hash(&secret)).await?;
    change.commit().await?;
    say("Who signs up by this link runs this installation. It works once, until the next start:")?;
    say(format!("{base}/sign-up?setup={secret}"))
}
