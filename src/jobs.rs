//! What the program does of its own accord: delivers mails, and forgets what is over. On several replicas, each does a part:
//! what one has taken, no other takes.
mod collect;

use crate::{
    clients::{
        payments::{ByHand, Till},
        smtp::{Failure, Postman},
    },
    context::Kit,
    db::Db,
    emails::Letter,
    error::Result,
    model::time::{MINUTE, Time},
    store::{
        Change, Client, Host, Scope, domains, idempotency, invoices, keys, members,
        outbox::{self, Due},
        plans, sessions,
        sso::enforce,
        transfers, usage,
    },
};
use std::{
    future::Future,
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// How often the outbox is looked at.
const GLANCE: Duration = Duration::from_millis(500);
/// Letters on their way at a time: a server that is slow with one delays no other.
const AT_ONCE: usize = 8;
/// For one letter: shorter than the store's lease, so that it is not taken twice.
const LONGEST: Duration = Duration::from_secs(100);
/// Steps of deleting old events in one sweep, and the pause after each.
const STEPS: usize = 50;
const BREATH: Duration = Duration::from_millis(20);
/// The longest pause while the database is away.
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

const NAME: Host = Host("guildhall");

/// Does what is due.
#[derive(Clone)]
pub struct Worker {
    db: Db,
    kit: Kit,
    postman: Option<Arc<Postman>>,
    till: Arc<dyn Till>,
}

impl Worker {
    /// On a database. Without a postman, mails stay in the database, where the mailbox shows them.
    pub fn new(db: Db, kit: Kit, postman: Option<Postman>) -> Worker {
        Worker { db, kit, postman: postman.map(Arc::new), till: Arc::new(ByHand) }
    }
    /// Takes payments by this till, and not by hand alone.
    #[must_use]
    pub fn paid_by(self, till: Arc<dyn Till>) -> Worker {
        Worker { till, ..self }
    }

    /// Works until `stop`, and finishes then what is on its way.
    pub async fn run(self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut on_the_way = JoinSet::new();
        let mut swept = Time(i64::MIN);
        let mut pause = GLANCE;
        loop {
            while on_the_way.try_join_next().is_some() {}
            match self.glance(&mut on_the_way, &mut swept).await {
                Ok(()) if pause > GLANCE => {
                    tracing::info!("the database is back");
                    pause = GLANCE;
                }
                Ok(()) => {}
                Err(cause) => {
                    if pause == GLANCE {
                        tracing::error!(?cause, "mails and sweeping wait for the database");
                    }
                    pause = (pause * 2).min(LONGEST_PAUSE);
                }
            }
            tokio::select! { () = &mut stop => break, () = sleep(pause) => {} }
        }
        while on_the_way.join_next().await.is_some() {}
    }

    /// Does once all that is due, and waits for it.
    pub async fn tick(&self) -> Result<()> {
        let mut on_the_way = JoinSet::new();
        while self.deliver(&mut on_the_way).await? > 0 {
            while on_the_way.join_next().await.is_some() {}
        }
        self.collect(&mut on_the_way).await?;
        while on_the_way.join_next().await.is_some() {}
        self.sweep().await
    }

    async fn glance(&self, on_the_way: &mut JoinSet<()>, swept: &mut Time) -> Result<()> {
        self.deliver(on_the_way).await?;
        self.collect(on_the_way).await?;
        let now = self.kit.now();
        if now.minus(MINUTE) >= *swept {
            self.sweep().await?;
            *swept = now;
        }
        Ok(())
    }

    /// Sends off as many letters as there is room for; says how many.
    async fn deliver(&self, on_the_way: &mut JoinSet<()>) -> Result<usize> {
        let room = AT_ONCE.saturating_sub(on_the_way.len());
        // Looking needs no transaction, and mostly there is nothing.
        let next = outbox::next(&mut Scope::read(&self.db, NAME, &self.kit, &Client::default())).await?;
        if room == 0 || next.is_none_or(|it| it > self.kit.now()) {
            return Ok(0);
        }
        let mut change = Change::<Host>::begin(&self.db, NAME, &self.kit).await?;
        let taken = outbox::take(&mut change, i64::try_from(room).unwrap_or(1)).await?;
        let count = taken.len();
        if self.postman.is_none() {
            for due in &taken {
                outbox::sent(&mut change, due.id, true).await?;
            }
        }
        change.commit().await?;
        if let Some(postman) = &self.postman {
            for due in taken {
                on_the_way.spawn(self.clone().send(postman.clone(), due));
            }
        }
        Ok(count)
    }

    async fn send(self, postman: Arc<Postman>, due: Due) {
        let outcome = match &due.letter {
            Some(letter) => hand_over(&postman, &self.kit, &due, letter).await,
            None => {
                Err(Failure::Refused("It was written under another secret key, and cannot be read.".into()))
            }
        };
        match &outcome {
            Ok(()) => tracing::debug!(mail = %due.id, "delivered"),
            Err(words) => tracing::warn!(mail = %due.id, attempt = due.attempts + 1, %words, "not delivered"),
        }
        // Delivered and not noted is delivered twice: worth a few tries, as long as nobody else takes it.
        let mut pause = Duration::from_millis(250);
        while let Err(cause) = self.note(&due, &outcome).await {
            if pause > Duration::from_secs(4) {
                tracing::error!(mail = %due.id, ?cause, "what became of a mail was not noted: it is tried again");
                return;
            }
            sleep(pause).await;
            pause *= 2;
        }
    }

    async fn note(&self, due: &Due, outcome: &Result<(), Failure>) -> Result<()> {
        self.apart(async |change| match outcome {
            Ok(()) => outbox::sent(change, due.id, false).await,
            Err(Failure::Retry(words)) => outbox::retry(change, due, words).await,
            Err(Failure::Refused(words)) => outbox::refused(change, due.id, words).await,
        })
        .await
    }

    async fn sweep(&self) -> Result<()> {
        self.apart(async |it| idempotency::sweep(it).await).await?;
        self.apart(async |it| outbox::sweep(it).await).await?;
        self.apart(async |it| sessions::sweep(it).await).await?;
        self.apart(async |it| transfers::sweep(it).await).await?;
        self.apart(async |it| enforce::sweep(it).await).await?;
        self.look_at_domains().await?;
        while self.apart(async |it| keys::notify(it).await).await? == keys::NOTICES_AT_ONCE {}
        self.apart(async |it| members::sweep(it).await).await?;
        // A plan that ends with a month is changed before the month is closed: its bill looks back.
        self.apart(async |it| plans::sweep(it).await).await?;
        invoices::close_due(&self.db, &self.kit, &NAME).await?;
        // In small steps: nobody waits long for the writer.
        for _ in 0..STEPS {
            if self.apart(async |it| usage::sweep(it).await).await? == 0 {
                break;
            }
            sleep(BREATH).await;
        }
        Ok(())
    }

    /// Asks the DNS again for domains that were proven a day ago. Where it does not answer, nothing is known.
    async fn look_at_domains(&self) -> Result<()> {
        let mut change = Change::<Host>::begin(&self.db, NAME, &self.kit).await?;
        let due = domains::watch::take_due(&mut change).await?;
        change.commit().await?;
        let mut asked = JoinSet::new();
        for it in due {
            let outgoing = self.kit.outgoing.clone();
            asked.spawn(async move { (outgoing.txt(&it.record()).await, it) });
        }
        while let Some(told) = asked.join_next().await {
            let Ok((Ok(found), it)) = told else { continue };
            let is_there = found.contains(&it.value());
            self.apart(async |change| domains::watch::looked_at(change, &it, is_there).await).await?;
        }
        Ok(())
    }

    /// In a transaction of its own.
    async fn apart<T>(&self, story: impl AsyncFnOnce(&mut Change<Host>) -> Result<T>) -> Result<T> {
        let mut change = Change::<Host>::begin(&self.db, NAME, &self.kit).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
}

async fn hand_over(postman: &Postman, kit: &Kit, due: &Due, letter: &Letter) -> Result<(), Failure> {
    let micros = u64::try_from(kit.now().0).unwrap_or(0);
    let at: SystemTime = UNIX_EPOCH + Duration::from_micros(micros);
    let sent = timeout(LONGEST, postman.send(&due.id.to_string(), at, letter)).await;
    sent.unwrap_or_else(|_| Err(Failure::Retry("The mail server took too long.".into())))
}
