//! Delivery of letters over SMTP.

use std::{
    error::Error as _,
    future::Future,
    time::{Duration, SystemTime},
};

use lettre::{
    Address, Message,
    message::{
        Mailbox, MultiPart,
        header::{HeaderName, HeaderValue},
    },
    transport::smtp::{
        Error as SmtpError,
        authentication::{Credentials, Mechanism},
        client::{AsyncSmtpConnection, Certificate, TlsParameters},
        commands::Noop,
        extension::ClientId,
    },
};
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url, form_urlencoded};

use crate::emails::{Letter, one_line};

/// For reaching the server, and for signing in there.
const CONNECT: Duration = Duration::from_secs(20);
/// For handing one letter over: four answers, of which the last waits for the server's filters.
const HAND_OVER: Duration = Duration::from_mins(1);
/// For saying goodbye, when the letter is already handed over.
const QUIT: Duration = Duration::from_secs(2);
/// Connections at a time.
const CONNECTIONS: usize = 8;

/// Takes letters to one mail server.
pub struct Postman {
    server: Server,
    from: Mailbox,
    /// As configured, without the password.
    description: String,
    permits: Semaphore,
}

/// Why a letter was not delivered, in the server's words where it spoke.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// Not now: the server could not be reached, would not let us in, or put us off.
    #[error("{0}")]
    Retry(String),
    /// Never: the server, asked to take this very letter, said no.
    #[error("{0}")]
    Refused(String),
}

struct Server {
    host: String,
    port: u16,
    tls: Tls,
    parameters: TlsParameters,
    credentials: Option<Credentials>,
    hello: ClientId,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Tls {
    IfOffered,
    Required,
    FromTheStart,
}

impl Postman {
    /// A postman for the server at `smtp_url`, writing as `from`: `Guildhall <no-reply@example.com>`.
    ///
    /// | URL | |
    /// |---|---|
    /// | `smtp://[user:password@]host[:25]` | encrypted if the server offers it |
    /// | `smtp://…host[:587]?tls=required` | encrypted by STARTTLS with a valid certificate, or not sent |
    /// | `smtps://…host[:465]` | encrypted from the start with a valid certificate |
    ///
    /// `ca=/path/to/root.pem` in the query trusts the certificates in that file too.
    /// User and password are percent-encoded. No error repeats the URL.
    pub fn new(smtp_url: &str, from: &str) -> Result<Self, String> {
        let url = Url::parse(smtp_url)
            .map_err(|e| format!("the SMTP URL cannot be read ({e}); is its password percent-encoded?"))?;
        let from = from.parse().map_err(|e| format!("the sender {from:?} is not an address: {e}"))?;
        let mut description = url.clone();
        description.set_password(None).map_err(|()| "the SMTP URL has no host".to_owned())?;
        Ok(Self {
            server: Server::new(&url)?,
            from,
            description: description.into(),
            permits: Semaphore::new(CONNECTIONS),
        })
    }

    /// The server's URL without the password.
    pub fn describe(&self) -> &str {
        &self.description
    }

    /// Connects and signs in as for a letter, and sends none.
    pub async fn check(&self) -> Result<(), String> {
        let mut connection = self.server.connect().await?;
        within(CONNECT, connection.command(Noop)).await?.map_err(|e| words(&e))?;
        goodbye(connection).await;
        Ok(())
    }

    /// Delivers `letter`, dated `at`. The same `message_id` for each try lets a mailbox that got it twice show it once.
    pub async fn send(&self, message_id: &str, at: SystemTime, letter: &Letter) -> Result<(), Failure> {
        let message = self.message(message_id, at, letter).map_err(Failure::Refused)?;
        let _permit = self.permits.acquire().await.expect("nobody closes the semaphore");
        let mut connection = self.server.connect().await.map_err(Failure::Retry)?;
        let bytes = message.formatted();
        let handed_over = connection.send(message.envelope(), &bytes);
        within(HAND_OVER, handed_over).await.map_err(Failure::Retry)?.map_err(|e| judged(&e))?;
        goodbye(connection).await;
        Ok(())
    }

    fn message(&self, message_id: &str, at: SystemTime, letter: &Letter) -> Result<Message, String> {
        let id: String = message_id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date(at)
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient(&letter.to)?))
            .subject(one_line(&letter.subject, 200))
            .raw_header(HeaderValue::new(auto, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(letter.text.clone(), letter.html.clone()))
            .map_err(|e| e.to_string())
    }
}

impl Server {
    fn new(url: &Url) -> Result<Self, String> {
        let host = match url.host() {
            Some(Host::Domain(name)) if !name.is_empty() => name.to_owned(),
            Some(Host::Ipv4(address)) => address.to_string(),
            Some(Host::Ipv6(address)) => address.to_string(),
            _ => return Err("the SMTP URL has no host".to_owned()),
        };
        let mut required = false;
        let mut ca = None;
        for (key, value) in url.query_pairs() {
            match (&*key, &*value) {
                ("tls", "required") => required = true,
                ("ca", path) => ca = Some(path.to_owned()),
                _ => return Err("the SMTP URL has an option other than tls=required and ca=".to_owned()),
            }
        }
        if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
            return Err("the SMTP URL has a path; is its password percent-encoded?".to_owned());
        }
        let (tls, port) = match (url.scheme(), required) {
            ("smtp", false) => (Tls::IfOffered, 25),
            ("smtp", true) => (Tls::Required, 587),
            ("smtps", _) => (Tls::FromTheStart, 465),
            _ => return Err("the SMTP URL starts with neither smtp:// nor smtps://".to_owned()),
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) => Some(Credentials::new(decoded(user), decoded(password))),
            (_, None) => return Err("the SMTP URL has a user and no password".to_owned()),
        };
        Ok(Self {
            parameters: tls_parameters(&host, tls, ca.as_deref())?,
            port: url.port().unwrap_or(port),
            host,
            tls,
            credentials,
            hello: ClientId::default(),
        })
    }

    /// A connection that is ready for a letter. Whatever the server says before that is about us, not about the letter.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let connected = within(CONNECT, self.greet()).await.and_then(|done| done.map_err(|e| words(&e)));
        connected.map_err(|said| format!("{}:{}: {said}", self.host, self.port))
    }

    async fn greet(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let server = (self.host.as_str(), self.port);
        let wrapper = (self.tls == Tls::FromTheStart).then(|| self.parameters.clone());
        // Of all that lettre does here, its own limit would bound only the opening of the socket.
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, wrapper, None).await?;
        if self.tls == Tls::Required || (self.tls == Tls::IfOffered && connection.can_starttls()) {
            connection.starttls(self.parameters.clone(), &self.hello).await?;
        }
        if let Some(credentials) = &self.credentials {
            connection.auth(&[Mechanism::Plain, Mechanism::Login], credentials).await?;
        }
        Ok(connection)
    }
}

fn tls_parameters(host: &str, tls: Tls, ca: Option<&str>) -> Result<TlsParameters, String> {
    let builder = TlsParameters::builder(host.to_owned());
    let builder = match ca {
        // Whoever could forge a certificate could as well hide the offer of TLS: there is nothing to gain by asking.
        None => builder.dangerous_accept_invalid_certs(tls == Tls::IfOffered),
        Some(path) => {
            let unusable = |why: String| format!("the ca of the SMTP URL, {path:?}, cannot be used: {why}");
            let pem = std::fs::read_to_string(path).map_err(|e| unusable(e.to_string()))?;
            if !pem.contains("BEGIN CERTIFICATE") {
                return Err(unusable("it holds no PEM certificate".to_owned()));
            }
            let root = Certificate::from_pem(pem.as_bytes()).map_err(|e| unusable(words(&e)))?;
            builder.add_root_certificate(root)
        }
    };
    builder.build().map_err(|e| format!("TLS for the mail server cannot be set up: {}", words(&e)))
}

/// A part of a URL as it was before it was percent-encoded. Unlike in a form, a plus is a plus.
fn decoded(part: &str) -> String {
    let value = part.replace('+', "%2B").replace('&', "%26");
    form_urlencoded::parse(format!("={value}").as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

/// The address, its domain in the ASCII form that every server knows.
fn recipient(to: &str) -> Result<Address, String> {
    let address: Address = to.parse().map_err(|e| format!("{to:?} is not an address: {e}"))?;
    match Host::parse(address.domain()) {
        Ok(Host::Domain(domain)) => Address::new(address.user(), domain).map_err(|e| e.to_string()),
        _ => Ok(address),
    }
}

async fn within<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, String> {
    timeout(limit, work).await.map_err(|_| format!("no answer within {} seconds", limit.as_secs()))
}

/// The letter is delivered whatever comes of this.
async fn goodbye(mut connection: AsyncSmtpConnection) {
    let _ = timeout(QUIT, connection.abort()).await;
}

/// What a failure to hand a letter over means for the letter.
fn judged(error: &SmtpError) -> Failure {
    // RFC 4954: it is our signing in that the server misses.
    let ours = matches!(error.status().map(u16::from), Some(530 | 534 | 535 | 538));
    if (error.is_permanent() && !ours) || error.is_client() {
        Failure::Refused(words(error))
    } else {
        Failure::Retry(words(error))
    }
}

/// The server's answer, `550 5.1.1 no such mailbox here`, or what went wrong instead of one.
fn words(error: &SmtpError) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let said = cause.map(ToString::to_string).unwrap_or_default();
    let line = match error.status() {
        Some(code) => format!("{code} {said}"),
        None if error.is_response() => {
            format!("the connection ended or the answer was not SMTP ({said})")
        }
        None => said,
    };
    one_line(&line, 500)
}
