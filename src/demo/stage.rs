//! Where the story is played: people who act on their own, and a clock that only goes on.
use super::PASSWORD;
use crate::{
    clients::smtp::Failure,
    context::{Clock, Kit},
    crypto::password,
    db::Db,
    error::{Error, Result},
    model::{
        access::{Entry, Person},
        calendar::{Day, Month},
        id::{MembershipId, SessionId, UserId},
        text::{Email, Name},
        time::{DAY, HOUR, MINUTE, Time},
    },
    store::{
        Change, Client, Host, Me, Visitor,
        access::Credential,
        members, outbox,
        sessions::{Sessions, held, secret_hash},
        users::{self, NewUser},
    },
};
use serde_json::json;
use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};
use tower_sessions::{SessionStore as _, session::Record};

const HOST: Host = Host("guildhall serve --demo");
const AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
];

pub struct Stage {
    pub db: Db,
    pub kit: Kit,
    clock: Arc<AtomicI64>,
    today: Time,
    hashed: String,
    people: HashMap<String, Person>,
    sessions: HashMap<UserId, (Time, Vec<u8>)>,
}

impl Stage {
    pub async fn new(db: &Db, kit: &Kit) -> Result<Stage> {
        let now = kit.now();
        let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
        let clock = Arc::new(AtomicI64::new(0));
        let hand = clock.clone();
        Ok(Stage {
            db: db.clone(),
            kit: kit.by(Clock::from(move || Time(hand.load(Ordering::Relaxed)))),
            clock,
            today: Time(now.0 - now.0.rem_euclid(day)),
            hashed: password::hash_any(PASSWORD).await?,
            people: HashMap::new(),
            sessions: HashMap::new(),
        })
    }

    /// It is so many days ago, at that minute of the day; or later, if it is later already.
    pub fn at(&self, days_ago: u32, hour: u32, minute: u32) {
        let then = self.today.minus(DAY * days_ago).plus(HOUR * hour + MINUTE * minute);
        self.clock.fetch_max(then.0, Ordering::Relaxed);
    }
    /// The day on which the story ends.
    pub fn today(&self) -> Day {
        Day::of(self.today)
    }
    /// How many days ago each month began in which the story plays, the first left out.
    pub fn months(&self) -> Vec<u32> {
        let ago = |it: Month| u32::try_from(self.today().0 - it.first().0).unwrap_or(0);
        let all = std::iter::successors(Some(self.today().month()), |it| Some(it.previous()));
        all.map(ago).take_while(|it| *it < 88).collect()
    }
    /// A moment passes.
    pub fn soon(&self) {
        self.clock.fetch_add(7_313_370, Ordering::Relaxed);
    }
    /// It is this very instant, later or earlier.
    pub fn set(&self, at: Time) {
        self.clock.store(at.0, Ordering::Relaxed);
    }
    pub fn days(&self, many: u32) -> Time {
        self.kit.now().plus(DAY * many)
    }

    pub fn person(&self, local: &str) -> Result<Person> {
        let known = self.people.get(local).cloned();
        known.ok_or_else(|| Error::Internal(format!("nobody in the story is called {local}")))
    }
    pub fn knows(&mut self, local: &str, person: Person) {
        self.people.insert(local.to_owned(), person);
    }
    pub fn everybody(&self) -> Vec<Person> {
        let mut all: Vec<Person> = self.people.values().cloned().collect();
        all.sort_by_key(|it| it.id);
        all
    }
    pub fn hashed(&self) -> &str {
        &self.hashed
    }

    /// From where somebody comes, always the same for the same person.
    pub fn client(local: &str) -> Client {
        let sum = local.bytes().fold(7_u32, |sum, it| sum.wrapping_mul(31).wrapping_add(it.into()));
        // Networks for documentation (RFC 5737).
        let net = if sum.is_multiple_of(2) { "198.51.100" } else { "203.0.113" };
        let agent = AGENTS[usize::try_from(sum / 7).unwrap_or(0) % AGENTS.len()];
        Client { address: format!("{net}.{}", sum / 3 % 250 + 2).parse().ok(), agent: agent.into() }
    }

    /// Somebody signs up.
    pub async fn sign_up(&mut self, name: &str, local: &str, operator: bool) -> Result<Person> {
        let (name, email) = (parse_name(name)?, email(local)?);
        let new = NewUser { name: &name, email: &email, password: Some(&self.hashed), operator };
        let mut change = Change::<Visitor>::begin(&self.db, &self.kit, &Stage::client(local)).await?;
        let made = users::create(&mut change, &new).await?;
        change.commit().await?;
        let (person, _) = made.ok_or_else(|| Error::Internal(format!("{email} is there twice")))?;
        self.knows(local, person.clone());
        Ok(person)
    }

    /// The session of somebody, new every few days.
    async fn session(&mut self, local: &str) -> Result<(Person, Vec<u8>)> {
        let (person, now) = (self.person(local)?, self.kit.now());
        if let Some((since, hash)) = self.sessions.get(&person.id)
            && now.since(*since) < DAY * 5
        {
            return Ok((person, hash.clone()));
        }
        let client = Stage::client(local);
        let data = [
            (held::USER, person.id.to_string()),
            (held::METHOD, "password".into()),
            (held::IP, client.ip()),
            (held::AGENT, client.agent.to_string()),
        ];
        let data = data.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let id = i128::from_be_bytes(self.kit.chance.bytes());
        let mut record = Record {
            id: tower_sessions::session::Id(id),
            data,
            expiry_date: time::OffsetDateTime::UNIX_EPOCH,
        };
        let made = Sessions::new(self.db.clone(), self.kit.clone()).create(&mut record).await;
        made.map_err(|it| Error::Internal(it.to_string()))?;
        let hash = secret_hash(record.id);
        self.sessions.insert(person.id, (now, hash.clone()));
        Ok((person, hash))
    }

    /// Somebody acts in an account.
    pub async fn act<T>(
        &mut self,
        local: &str,
        slug: &str,
        story: impl AsyncFnOnce(&mut Change) -> Result<T>,
    ) -> Result<T> {
        self.soon();
        let (_, hash) = self.session(local).await?;
        let (by, client) = (Credential::Session(hash), Stage::client(local));
        let mut change = Change::<Entry>::begin(&self.db, &by, slug, &self.kit, &client).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
    /// Somebody acts outside of any account.
    pub async fn alone<T>(
        &mut self,
        local: &str,
        story: impl AsyncFnOnce(&mut Change<Me>) -> Result<T>,
    ) -> Result<T> {
        self.soon();
        let (_, hash) = self.session(local).await?;
        let mut change = Change::<Me>::begin(&self.db, &hash, &self.kit, &Stage::client(local)).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
    /// Somebody who is not signed in acts.
    pub async fn stranger<T>(
        &self,
        local: &str,
        story: impl AsyncFnOnce(&mut Change<Visitor>) -> Result<T>,
    ) -> Result<T> {
        let mut change = Change::<Visitor>::begin(&self.db, &self.kit, &Stage::client(local)).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
    /// The operator acts on the machine.
    pub async fn host<T>(&self, story: impl AsyncFnOnce(&mut Change<Host>) -> Result<T>) -> Result<T> {
        let mut change = Change::<Host>::begin(&self.db, HOST, &self.kit).await?;
        let told = story(&mut change).await?;
        change.commit().await?;
        Ok(told)
    }
    /// Somebody is here now: their session, for what needs its id.
    pub async fn visit(&mut self, local: &str) -> Result<SessionId> {
        self.sessions.remove(&self.person(local)?.id);
        self.alone(local, async |change| Ok(change.who().session.id)).await
    }

    /// The mails that are due go out: all arrive, but those to the address that does not exist.
    pub async fn post(&self, fails: &str) -> Result<()> {
        let fails = email(fails)?;
        self.host(async |change| {
            for due in outbox::take(change, 100).await? {
                let to = due.letter.as_ref().map(|it| it.to.as_str());
                if to == Some(fails.as_str()) {
                    let words = Failure::Refused("550 5.1.1 no such mailbox here".into()).to_string();
                    outbox::refused(change, due.id, &words).await?;
                } else {
                    outbox::sent(change, due.id, true).await?;
                }
            }
            Ok(())
        })
        .await
    }
    /// The secret in the newest link of that kind that was mailed to an address.
    pub async fn mailed(&self, to: &Email, path: &str) -> Result<String> {
        let letters = self.host(async |change| outbox::mailbox(change, 60).await).await?;
        let letter = letters.into_iter().find(|it| it.letter.to == to.as_str()).map(|it| it.letter.text);
        let secret = letter.as_deref().and_then(|it| it.split_once(path)?.1.split_whitespace().next());
        secret.map(str::to_owned).ok_or_else(|| Error::Internal(format!("no letter to {to}")))
    }
}

/// Where somebody sits in the account that one acts in.
pub async fn seat(change: &mut Change, person: &Person) -> Result<MembershipId> {
    members::of_user(change, person.id).await?.ok_or(Error::NotFound)
}

pub fn parse_name(text: &str) -> Result<Name> {
    Name::parse(text).map_err(Error::at("name"))
}

pub fn email(local: &str) -> Result<Email> {
    let whole = if local.contains('@') { local.to_owned() } else { format!("{local}@acme.test") };
    Email::parse(&whole).map_err(Error::at("email"))
}
