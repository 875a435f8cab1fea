//! Runs store functions as the people of the demonstration: each with their own session and address, by a clock of its own.
use super::PASSWORD;
use crate::{
    clients::smtp::SendError,
    context::{Clock, Context},
    crypto::password,
    db::Db,
    error::{Error, Result},
    model::{
        access::Access,
        actor::UserSummary,
        calendar::{Day, Month},
        id::{MembershipId, SessionId, UserId},
        text::{EmailAddress, Name},
        time::{DAY, HOUR, MINUTE, Time},
    },
    store::{
        Anonymous, Change, Client, SignedInUser, System,
        access::Credential,
        mails, members, outbox,
        sessions::{Sessions, secret_hash, session_data},
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

const OPERATOR: System = System("guildhall serve --demo");
const USER_AGENTS: &[&str] = &[
    "Mozilla/5.0 (X11; Linux x86_64; rv:145.0) Gecko/20100101 Firefox/145.0",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/19.0 Safari/605.1.15",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
];

pub struct Runner {
    pub db: Db,
    pub context: Context,
    clock: Arc<AtomicI64>,
    /// Midnight UTC of the day on which the demonstration is filled.
    today: Time,
    password_hash: String,
    /// By what stands before the @, or by the whole address outside of acme.test.
    people: HashMap<String, UserSummary>,
    /// When each session began, and the hash of its secret.
    sessions: HashMap<UserId, (Time, Vec<u8>)>,
}

impl Runner {
    pub async fn new(db: &Db, context: &Context) -> Result<Runner> {
        let now = context.now();
        let day = i64::try_from(DAY.as_micros()).unwrap_or(i64::MAX);
        let clock = Arc::new(AtomicI64::new(0));
        let reading = clock.clone();
        Ok(Runner {
            db: db.clone(),
            context: context.by(Clock::from(move || Time(reading.load(Ordering::Relaxed)))),
            clock,
            today: Time(now.0 - now.0.rem_euclid(day)),
            password_hash: password::hash_unchecked(PASSWORD).await?,
            people: HashMap::new(),
            sessions: HashMap::new(),
        })
    }

    /// Moves the clock to that minute of the day, `days_ago` days ago. The clock never goes back.
    pub fn advance_to(&self, days_ago: u32, hour: u32, minute: u32) {
        let then = self.today.minus(DAY * days_ago).plus(HOUR * hour + MINUTE * minute);
        self.clock.fetch_max(then.0, Ordering::Relaxed);
    }
    pub fn today(&self) -> Day {
        Day::of(self.today)
    }
    /// How many days ago each month began, without the month in which the demonstration starts.
    pub fn month_starts(&self) -> Vec<u32> {
        let days_ago = |month: Month| u32::try_from(self.today().0 - month.first().0).unwrap_or(0);
        let months = std::iter::successors(Some(self.today().month()), |month| Some(month.previous()));
        months.map(days_ago).take_while(|days| *days < 88).collect()
    }
    /// Moves the clock a few seconds on, so that no two actions have the same time.
    fn tick(&self) {
        self.clock.fetch_add(7_313_370, Ordering::Relaxed);
    }
    /// Sets the clock, backwards too.
    pub fn set_clock(&self, at: Time) {
        self.clock.store(at.0, Ordering::Relaxed);
    }
    pub fn in_days(&self, days: u32) -> Time {
        self.context.now().plus(DAY * days)
    }

    pub fn person(&self, local: &str) -> Result<UserSummary> {
        let person = self.people.get(local).cloned();
        person.ok_or_else(|| Error::Internal(format!("the demonstration has nobody called {local}")))
    }
    pub fn add_person(&mut self, local: &str, person: UserSummary) {
        self.people.insert(local.to_owned(), person);
    }
    pub fn people(&self) -> Vec<UserSummary> {
        let mut people: Vec<UserSummary> = self.people.values().cloned().collect();
        people.sort_by_key(|person| person.id);
        people
    }
    pub fn password_hash(&self) -> &str {
        &self.password_hash
    }

    /// The address and browser of a person: always the same for the same one.
    pub fn client(local: &str) -> Client {
        let sum = local.bytes().fold(7_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into()));
        // Networks for documentation (RFC 5737).
        let net = if sum.is_multiple_of(2) { "198.51.100" } else { "203.0.113" };
        let agent = USER_AGENTS[usize::try_from(sum / 7).unwrap_or(0) % USER_AGENTS.len()];
        Client { address: format!("{net}.{}", sum / 3 % 250 + 2).parse().ok(), agent: agent.into() }
    }

    pub async fn sign_up(&mut self, name: &str, local: &str, operator: bool) -> Result<UserSummary> {
        let (name, email) = (parse_name(name)?, email(local)?);
        let new = NewUser { name: &name, email: &email, password: Some(&self.password_hash), operator };
        let mut change = Change::begin_anonymous(&self.db, &self.context, &Runner::client(local)).await?;
        let created = users::create(&mut change, &new).await?;
        change.commit().await?;
        let (person, _) = created.ok_or_else(|| Error::Internal(format!("{email} was added twice")))?;
        self.add_person(local, person.clone());
        Ok(person)
    }

    /// The hash of somebody's session: a new one after five days, so that their lists have several.
    async fn session(&mut self, local: &str) -> Result<(UserSummary, Vec<u8>)> {
        let (person, now) = (self.person(local)?, self.context.now());
        if let Some((since, hash)) = self.sessions.get(&person.id)
            && now.since(*since) < DAY * 5
        {
            return Ok((person, hash.clone()));
        }
        let client = Runner::client(local);
        let data = [
            (session_data::USER, person.id.to_string()),
            (session_data::METHOD, "password".into()),
            (session_data::IP, client.ip()),
            (session_data::AGENT, client.agent.to_string()),
        ];
        let data = data.into_iter().map(|(name, value)| (name.to_owned(), json!(value))).collect();
        let id = i128::from_be_bytes(self.context.random.bytes());
        let mut record = Record {
            id: tower_sessions::session::Id(id),
            data,
            expiry_date: time::OffsetDateTime::UNIX_EPOCH,
        };
        let created = Sessions::new(self.db.clone(), self.context.clone()).create(&mut record).await;
        created.map_err(|error| Error::Internal(error.to_string()))?;
        let hash = secret_hash(record.id);
        self.sessions.insert(person.id, (now, hash.clone()));
        Ok((person, hash))
    }

    /// Runs a change as a member of the account.
    pub async fn as_member<T>(
        &mut self,
        local: &str,
        slug: &str,
        work: impl AsyncFnOnce(&mut Change<Access>) -> Result<T>,
    ) -> Result<T> {
        self.tick();
        let (_, hash) = self.session(local).await?;
        let (credential, client) = (Credential::Session(hash), Runner::client(local));
        let mut change =
            Change::begin_in_account(&self.db, &credential, slug, &self.context, &client).await?;
        let result = work(&mut change).await?;
        change.commit().await?;
        Ok(result)
    }
    /// Runs a change as a signed-in user, outside of any account.
    pub async fn as_user<T>(
        &mut self,
        local: &str,
        work: impl AsyncFnOnce(&mut Change<SignedInUser>) -> Result<T>,
    ) -> Result<T> {
        self.tick();
        let (_, hash) = self.session(local).await?;
        let mut change =
            Change::begin_as_user(&self.db, &hash, &self.context, &Runner::client(local)).await?;
        let result = work(&mut change).await?;
        change.commit().await?;
        Ok(result)
    }
    /// Runs a change as somebody who is not signed in.
    pub async fn as_visitor<T>(
        &self,
        local: &str,
        work: impl AsyncFnOnce(&mut Change<Anonymous>) -> Result<T>,
    ) -> Result<T> {
        let mut change = Change::begin_anonymous(&self.db, &self.context, &Runner::client(local)).await?;
        let result = work(&mut change).await?;
        change.commit().await?;
        Ok(result)
    }
    /// Runs a change as the operator on the command line.
    pub async fn as_operator<T>(
        &self,
        work: impl AsyncFnOnce(&mut Change<System>) -> Result<T>,
    ) -> Result<T> {
        let mut change = Change::begin_as_system(&self.db, OPERATOR, &self.context).await?;
        let result = work(&mut change).await?;
        change.commit().await?;
        Ok(result)
    }
    /// Signs somebody in anew, which also counts as a recent proof of who they are.
    pub async fn sign_in(&mut self, local: &str) -> Result<SessionId> {
        self.sessions.remove(&self.person(local)?.id);
        self.as_user(local, async |change| Ok(change.access().session.id)).await
    }

    /// Delivers the mails that are due; those to the address `bouncing` are refused by its server.
    pub async fn deliver_mails(&self, bouncing: &str) -> Result<()> {
        let bouncing = email(bouncing)?;
        self.as_operator(async |change| {
            for delivery in outbox::lease(change, 100).await? {
                let mail = mails::load(change, delivery.subject).await?;
                if mail.is_some_and(|mail| mail.to == bouncing.as_str()) {
                    let why = SendError::Refused("550 5.1.1 no such mailbox here".into()).to_string();
                    mails::refused(change, &delivery, &why).await?;
                } else {
                    mails::delivered(change, &delivery, true).await?;
                }
            }
            Ok(())
        })
        .await
    }
    /// The secret in the newest link to `path` that was mailed to an address.
    pub async fn mailed_secret(&self, to: &EmailAddress, path: &str) -> Result<String> {
        let mails = self.as_operator(async |change| mails::mailbox(change, 60).await).await?;
        let text =
            mails.into_iter().find(|entry| entry.email.to == to.as_str()).map(|entry| entry.email.text);
        let secret = text.as_deref().and_then(|text| text.split_once(path)?.1.split_whitespace().next());
        secret
            .map(str::to_owned)
            .ok_or_else(|| Error::Internal(format!("no mail to {to} has a link to {path}")))
    }
}

/// Somebody's membership in the account of the change.
pub async fn membership_of(change: &mut Change<Access>, person: &UserSummary) -> Result<MembershipId> {
    members::of_user(change, person.id).await?.ok_or(Error::NotFound)
}

pub fn parse_name(text: &str) -> Result<Name> {
    Name::parse(text).map_err(Error::at("name"))
}

pub fn email(local: &str) -> Result<EmailAddress> {
    let address = if local.contains('@') { local.to_owned() } else { format!("{local}@acme.test") };
    EmailAddress::parse(&address).map_err(Error::at("email"))
}
