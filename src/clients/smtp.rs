//! Delivery of emails over SMTP.

use super::one_line;
use std::{
    error::Error as _,
    fmt,
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
use serde::{Deserialize, Serialize};
use tokio::{sync::Semaphore, time::timeout};
use url::{Host, Url, form_urlencoded};

/// For connecting and authenticating.
const CONNECT: Duration = Duration::from_secs(20);
/// For sending one email: the last of the server's four answers waits for its filters.
const SEND: Duration = Duration::from_mins(1);
/// For closing the connection, when the email is already delivered.
const QUIT: Duration = Duration::from_secs(2);
/// At a time.
const CONNECTIONS: usize = 8;

/// An email ready to be sent. Queued as JSON: the names of the fields are part of the stored format.
#[derive(Clone, Serialize, Deserialize)]
pub struct EmailMessage {
    pub to: String,
    /// One line of at most [`EmailMessage::MAX_SUBJECT`] characters.
    pub subject: String,
    pub text: String,
    /// A whole HTML document.
    pub html: String,
}

impl EmailMessage {
    /// In characters.
    pub const MAX_SUBJECT: usize = 200;
}

/// Leaves out the body, which may hold a link that signs its bearer in.
impl fmt::Debug for EmailMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmailMessage")
            .field("to", &self.to)
            .field("subject", &self.subject)
            .finish_non_exhaustive()
    }
}

/// Sends emails through one mail server.
pub struct SmtpMailer {
    server: Server,
    from: Mailbox,
    /// As configured, without the password.
    description: String,
    permits: Semaphore,
}

/// Why an email was not delivered, in the server's words if it answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The server could not be reached, did not authenticate us, or deferred the email.
    #[error("{0}")]
    Retry(String),
    /// The server rejected this very email.
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
    Opportunistic,
    Required,
    Implicit,
}

impl SmtpMailer {
    /// For the server at `smtp_url`, sending as `from`: `Guildhall <no-reply@example.com>`.
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
        let url = Url::parse(smtp_url).map_err(|error| {
            format!("the SMTP URL cannot be read ({error}); is its password percent-encoded?")
        })?;
        let from = from.parse().map_err(|error| format!("the sender {from:?} is not an address: {error}"))?;
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

    /// Connects and authenticates, and sends nothing.
    pub async fn check(&self) -> Result<(), String> {
        let mut connection = self.server.connect().await?;
        with_timeout(CONNECT, connection.command(Noop)).await?.map_err(|error| describe(&error))?;
        quit(connection).await;
        Ok(())
    }

    /// Delivers an email, dated `at`. With the same `message_id` for each attempt, a mailbox that receives it twice shows it once.
    pub async fn send(
        &self,
        message_id: &str,
        at: SystemTime,
        email: &EmailMessage,
    ) -> Result<(), SendError> {
        let message = self.message(message_id, at, email).map_err(SendError::Refused)?;
        let _permit = self.permits.acquire().await.expect("nobody closes the semaphore");
        let mut connection = self.server.connect().await.map_err(SendError::Retry)?;
        let bytes = message.formatted();
        let sent = connection.send(message.envelope(), &bytes);
        with_timeout(SEND, sent).await.map_err(SendError::Retry)?.map_err(|error| classify(&error))?;
        quit(connection).await;
        Ok(())
    }

    fn message(&self, message_id: &str, at: SystemTime, email: &EmailMessage) -> Result<Message, String> {
        let id: String = message_id.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
        let auto = HeaderName::new_from_ascii_str("Auto-Submitted");
        Message::builder()
            .message_id(Some(format!("<{id}@{}>", self.from.email.domain())))
            .date(at)
            .from(self.from.clone())
            .to(Mailbox::new(None, recipient(&email.to)?))
            .subject(one_line(&email.subject, EmailMessage::MAX_SUBJECT))
            .raw_header(HeaderValue::new(auto, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(email.text.clone(), email.html.clone()))
            .map_err(|error| error.to_string())
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
            ("smtp", false) => (Tls::Opportunistic, 25),
            ("smtp", true) => (Tls::Required, 587),
            ("smtps", _) => (Tls::Implicit, 465),
            _ => return Err("the SMTP URL starts with neither smtp:// nor smtps://".to_owned()),
        };
        let credentials = match (url.username(), url.password()) {
            ("", None) => None,
            (user, Some(password)) => Some(Credentials::new(percent_decode(user), percent_decode(password))),
            (_, None) => return Err("the SMTP URL has a user but no password".to_owned()),
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

    /// A connection that is ready for an email. Failures until then concern us and the server, not the email: they are retried.
    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let connected = with_timeout(CONNECT, self.open())
            .await
            .and_then(|greeted| greeted.map_err(|error| describe(&error)));
        connected.map_err(|detail| format!("{}:{}: {detail}", self.host, self.port))
    }

    async fn open(&self) -> Result<AsyncSmtpConnection, SmtpError> {
        let server = (self.host.as_str(), self.port);
        let wrapper = (self.tls == Tls::Implicit).then(|| self.parameters.clone());
        // No timeout of lettre's: it covers only the opening of the socket. `connect` limits the whole.
        let mut connection =
            AsyncSmtpConnection::connect_tokio1(server, None, &self.hello, wrapper, None).await?;
        if self.tls == Tls::Required || (self.tls == Tls::Opportunistic && connection.can_starttls()) {
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
        // With opportunistic TLS, an attacker who could forge a certificate could as well strip the offer of STARTTLS:
        // checking it would gain nothing.
        None => builder.dangerous_accept_invalid_certs(tls == Tls::Opportunistic),
        Some(path) => {
            let unusable =
                |reason: String| format!("the ca of the SMTP URL, {path:?}, cannot be used: {reason}");
            let pem = std::fs::read_to_string(path).map_err(|error| unusable(error.to_string()))?;
            if !pem.contains("BEGIN CERTIFICATE") {
                return Err(unusable("it holds no PEM certificate".to_owned()));
            }
            let root = Certificate::from_pem(pem.as_bytes()).map_err(|error| unusable(describe(&error)))?;
            builder.add_root_certificate(root)
        }
    };
    builder.build().map_err(|error| format!("TLS for the mail server cannot be set up: {}", describe(&error)))
}

/// A percent-decoded part of a URL, in which a plus, unlike in a form, stands for itself.
fn percent_decode(part: &str) -> String {
    let value = part.replace('+', "%2B").replace('&', "%26");
    form_urlencoded::parse(format!("={value}").as_bytes()).map(|(_, value)| value.into_owned()).collect()
}

/// The domain goes out in its ASCII form, which every server understands.
fn recipient(to: &str) -> Result<Address, String> {
    let address: Address = to.parse().map_err(|error| format!("{to:?} is not an address: {error}"))?;
    match Host::parse(address.domain()) {
        Ok(Host::Domain(domain)) => Address::new(address.user(), domain).map_err(|error| error.to_string()),
        _ => Ok(address),
    }
}

async fn with_timeout<T>(limit: Duration, work: impl Future<Output = T>) -> Result<T, String> {
    timeout(limit, work).await.map_err(|_| format!("no answer within {} seconds", limit.as_secs()))
}

/// Errors are ignored: the email is delivered already.
async fn quit(mut connection: AsyncSmtpConnection) {
    let _ = timeout(QUIT, connection.abort()).await;
}

/// Whether an email that failed may be sent again.
fn classify(error: &SmtpError) -> SendError {
    // RFC 4954: the server wants us to authenticate, and says nothing of the email.
    let is_auth = matches!(error.status().map(u16::from), Some(530 | 534 | 535 | 538));
    if (error.is_permanent() && !is_auth) || error.is_client() {
        SendError::Refused(describe(error))
    } else {
        SendError::Retry(describe(error))
    }
}

/// The server's answer, such as `550 5.1.1 no such mailbox here`, or the innermost cause if there is none.
fn describe(error: &SmtpError) -> String {
    let mut cause = error.source();
    while let Some(deeper) = cause.and_then(std::error::Error::source) {
        cause = Some(deeper);
    }
    let detail = cause.map(ToString::to_string).unwrap_or_default();
    let line = match error.status() {
        Some(code) => format!("{code} {detail}"),
        None if error.is_response() => {
            format!("the connection ended or the answer was not SMTP ({detail})")
        }
        None => detail,
    };
    one_line(&line, 500)
}
