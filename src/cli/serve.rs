//! `guildhall serve`
use super::{
    open::{self, check_key, database},
    out::{CliError, CliResult, print},
};
use crate::{
    clients::{
        payments::{Manual, PaymentProvider, Stripe},
        smtp::SmtpMailer,
    },
    context::Context,
    crypto::secrets::{hash, token},
    db::Db,
    demo,
    gateway::replica_sync::ReplicaSync,
    http::{App, ServerConfig},
    jobs::Worker,
    settings::Settings,
    store::{Change, Scope, System, users},
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
    /// Fill an empty database with a demonstration organization: sign in as ada@acme.test with the password guildhall-demo. On
    /// loopback only
    #[arg(long)]
    demo: bool,
}

/// How long running requests and deliveries may take after a signal to stop.
const SHUTDOWN_TIMEOUT: Duration = Duration::from_secs(9);

impl Serve {
    pub async fn run(self, settings: &Settings) -> CliResult {
        if self.demo && !settings.is_loopback() {
            let sentence = "The demonstration has a public password, so it is served on loopback only. \
                Check GUILDHALL_LISTEN and GUILDHALL_BASE_URL.";
            return Err(CliError::Config(sentence.into()));
        }
        let mailer =
            settings.smtp_url.as_ref().map(|url| SmtpMailer::new(url, &settings.mail_from)).transpose();
        let mailer = mailer.map_err(|problem| CliError::Config(format!("GUILDHALL_SMTP_URL: {problem}.")))?;
        // Before the database is created, so that there is never a database without its key.
        settings.secret_key().map_err(CliError::Config)?;
        let listener = TcpListener::bind(settings.listen).await.map_err(|error| {
            CliError::new(format!("Cannot listen on {} ({error}). Check GUILDHALL_LISTEN.", settings.listen))
        })?;
        let address = listener.local_addr().unwrap_or(settings.listen);
        let db = database(settings).await?;
        let context = open::context(settings, settings.base_url(address))?;
        let context = if self.demo { demo::with_seller(context) } else { context };
        check_key(&db, &context).await?;
        if self.demo {
            demo::fill(&db, &context).await?;
        }
        // Until here, a signal ends the process at once, and the database rolls back; from here on, it shuts down gracefully.
        let stop_signal = stop_signal();
        print_address(settings, &db, &context, self.demo).await?;

        let has_mailbox = mailer.is_none() && context.config.loopback;
        let serving = ServerConfig {
            has_mailbox,
            trusted_proxies: settings.trusted_proxies.clone(),
            metrics_token: settings.metrics_token.clone(),
        };
        let payments = payment_provider(settings)?;
        let app = App::new(db.clone(), context.clone(), serving).with_payment_provider(payments.clone());
        let mut replica_sync = ReplicaSync::new(db.clone(), context.clone(), app.gateway().clone());
        // Before the first request: the other replicas share their rate limits with us from now on.
        if let Err(cause) = replica_sync.poll().await {
            tracing::warn!(?cause, "changes made by other replicas are not seen yet");
        }
        let service = app.into_service(crate::routes());
        let (stop, stopped) = watch::channel(());
        let server = axum::serve(listener, service.into_make_service())
            .with_graceful_shutdown(until_closed(stopped.clone()));
        let mut server = tokio::spawn(server.into_future());
        let replica_sync = tokio::spawn(replica_sync.run(until_closed(stopped.clone())));
        let worker = tokio::spawn(
            Worker::new(db.clone(), context, mailer).paid_by(payments).run(until_closed(stopped)),
        );
        tokio::select! {
            () = stop_signal => {}
            ended = &mut server => {
                let cause = ended.map_or_else(|error| error.to_string(), |result| format!("{result:?}"));
                return Err(CliError::Message(format!("The server ended unexpectedly ({cause}).")));
            }
        }
        tracing::info!("stopping");
        drop(stop);
        if timeout(SHUTDOWN_TIMEOUT, async { (server.await, worker.await, replica_sync.await) })
            .await
            .is_err()
        {
            tracing::warn!(
                "stopped before everything was finished: open transactions are rolled back, and emails are sent later"
            );
        }
        let _ = timeout(Duration::from_millis(800), db.close()).await;
        Ok(())
    }
}

fn payment_provider(settings: &Settings) -> CliResult<Arc<dyn PaymentProvider>> {
    let Some(config) = &settings.stripe else { return Ok(Arc::new(Manual)) };
    let stripe = Stripe::new(&config.url, &config.secret_key, &config.webhook_secret);
    let stripe = stripe.map_err(|cause| CliError::Config(format!("Stripe cannot be used: {cause}.")))?;
    Ok(Arc::new(stripe))
}

async fn until_closed(mut stopped: watch::Receiver<()>) {
    while stopped.changed().await.is_ok() {}
}

/// Resolves at SIGTERM or Ctrl-C. Not an `async fn`: the signals are caught from the call on, not from the first poll.
#[cfg(unix)]
fn stop_signal() -> impl Future<Output = ()> {
    use signal::unix::{SignalKind, signal};
    let mut signals = [SignalKind::terminate(), SignalKind::interrupt()].map(|kind| signal(kind).ok());
    poll_fn(move |context| {
        let is_signaled = signals.iter_mut().flatten().any(|signal| signal.poll_recv(context).is_ready());
        if is_signaled { Poll::Ready(()) } else { Poll::Pending }
    })
}
#[cfg(not(unix))]
async fn stop_signal() {
    if signal::ctrl_c().await.is_err() {
        std::future::pending().await
    }
}

/// Prints the base URL, and what is left for the operator to do.
async fn print_address(settings: &Settings, db: &Db, context: &Context, demo: bool) -> CliResult {
    let base = &context.config.base_url;
    print(format!("Guildhall {} at {base}", env!("CARGO_PKG_VERSION")))?;
    match (settings.smtp_url.is_some(), context.config.loopback) {
        (true, _) => {}
        (false, true) => print(format!("No mail server is set: read emails at {base}/dev/mail"))?,
        (false, false) => print("No mail server is set, so no emails are sent: set GUILDHALL_SMTP_URL")?,
    }
    if demo {
        return print("Sign in as ada@acme.test with the password guildhall-demo");
    }
    let system = System("guildhall serve");
    let has_operator = {
        let mut scope = Scope::system(db, system, context);
        users::has_operator(&mut scope).await?
    };
    if has_operator {
        return Ok(());
    }
    if context.config.loopback {
        return print(format!("Sign up at {base}/sign-up: the first to sign up runs this installation"));
    }
    // Only its hash is stored, so each start without an operator makes a new one.
    let secret = token(&context.random);
    let mut change = Change::begin_as_system(db, system, context).await?;
    users::set_setup(&mut change, &hash(&secret)).await?;
    change.commit().await?;
    print(
        "Whoever signs up with this link becomes the operator of this installation. It works once, until the next start:",
    )?;
    print(format!("{base}/sign-up?setup={secret}"))
}
