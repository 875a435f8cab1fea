//! Requests to addresses that a customer typed: issuers, webhooks. Names are resolved here, and what lies on this machine or in
//! a private network is refused after resolution, so that nobody reaches through us what they cannot reach themselves.
mod private;
#[cfg(test)]
mod tests;

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{NameServerConfig, ResolverConfig},
    net::runtime::TokioRuntimeProvider,
    proto::rr::RData,
};
use oauth2::{HttpRequest, HttpResponse, http};
use private::is_private;
use reqwest::{
    dns::{Addrs, Name, Resolve, Resolving},
    redirect,
};
use std::{
    error::Error as StdError,
    fmt,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// For one request, from the look-up of its name to the last byte of its answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// The longest answer that is read.
const LONGEST: usize = 1 << 20;

/// Why there was no answer. Reads as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Failure {
    /// No address that may be asked: not https, or no web address at all.
    Scheme(String),
    /// A host on this machine or in a private network.
    Private(String),
    /// A name without addresses.
    Unknown(String),
    /// Nothing, or not all of it, within ten seconds.
    Slow(String),
    /// More than 1 MiB.
    TooLong(String),
    /// It cannot be reached: the host, and what went wrong.
    Unreachable(String, String),
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Scheme(url) => write!(f, "{url} does not begin with https://."),
            Failure::Private(host) => {
                write!(f, "{host} is on this machine or in a private network, where nothing is asked.")
            }
            Failure::Unknown(host) => write!(f, "There is no address for the name {host}."),
            Failure::Slow(host) => write!(f, "{host} did not answer within {} seconds.", PATIENCE.as_secs()),
            Failure::TooLong(host) => write!(f, "{host} answered with more than 1 MiB."),
            Failure::Unreachable(host, said) => write!(f, "{host} cannot be reached ({said})."),
        }
    }
}
impl StdError for Failure {}

type Answering = Pin<Box<dyn Future<Output = Result<HttpResponse, Failure>> + Send>>;

/// Asks others.
#[derive(Clone)]
pub struct Outgoing(Arc<Inner>);

struct Inner {
    allow_private: bool,
    resolver: Option<SocketAddr>,
    // Made at the first request: most processes make none.
    client: OnceLock<Result<reqwest::Client, String>>,
    names: Arc<OnceLock<Result<TokioResolver, String>>>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing")
    }
}

impl Outgoing {
    /// Whether private addresses, and http, are allowed; by which resolver names are looked up, if not by the system's.
    pub fn new(allow_private: bool, resolver: Option<SocketAddr>) -> Outgoing {
        let (client, names) = (OnceLock::new(), Arc::default());
        Outgoing(Arc::new(Inner { allow_private, resolver, client, names }))
    }
    /// Whether private addresses, and http, are allowed.
    pub fn allows_private(&self) -> bool {
        self.0.allow_private
    }
    /// Sends a request and reads the answer: no redirect is followed, none but our own resolution is believed.
    pub async fn call(&self, request: HttpRequest) -> Result<HttpResponse, Failure> {
        let uri = request.uri().clone();
        let host = uri.host().unwrap_or_default().to_owned();
        let is_open =
            uri.scheme_str() == Some("https") || (self.0.allow_private && uri.scheme_str() == Some("http"));
        if !is_open {
            return Err(Failure::Scheme(uri.to_string()));
        }
        // A literal address is resolved by nobody.
        let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
        if !self.0.allow_private && literal.is_ok_and(is_private) {
            return Err(Failure::Private(host));
        }
        let all = tokio::time::timeout(PATIENCE, self.exchange(request, &host)).await;
        all.unwrap_or(Err(Failure::Slow(host)))
    }
    /// The same, as `oauth2` and `openidconnect` want their client.
    pub fn client(&self) -> impl Fn(HttpRequest) -> Answering + Send + Sync + use<> {
        let this = self.clone();
        move |request| {
            let this = this.clone();
            Box::pin(async move { this.call(request).await })
        }
    }
    /// The texts that a name has in the DNS, asked for anew. None where the name has none.
    pub async fn txt(&self, name: &str) -> Result<Vec<String>, Failure> {
        let unreachable = |said: String| Failure::Unreachable("The name server".to_owned(), said);
        let names = names(&self.0.names, self.0.resolver).map_err(unreachable)?;
        let asked = tokio::time::timeout(PATIENCE, names.txt_lookup(format!("{name}."))).await;
        match asked {
            Err(_) => Err(Failure::Slow("The name server".to_owned())),
            Ok(Err(it)) if it.is_nx_domain() || it.is_no_records_found() => Ok(vec![]),
            Ok(Err(it)) => Err(unreachable(it.to_string())),
            Ok(Ok(found)) => Ok(found
                .answers()
                .iter()
                .filter_map(|it| match &it.data {
                    RData::TXT(it) => Some(String::from_utf8_lossy(&it.txt_data.concat()).into_owned()),
                    _ => None,
                })
                .collect()),
        }
    }

    async fn exchange(&self, request: HttpRequest, host: &str) -> Result<HttpResponse, Failure> {
        let client = self.0.client.get_or_init(|| self.build());
        let client = client.as_ref().map_err(|it| Failure::Unreachable(host.to_owned(), it.clone()))?;
        let request = reqwest::Request::try_from(request)
            .map_err(|it| Failure::Unreachable(host.to_owned(), deepest(&it)))?;
        let mut answer = client.execute(request).await.map_err(|it| told(&it, host))?;
        let mut parts = http::Response::builder().status(answer.status());
        if let Some(headers) = parts.headers_mut() {
            headers.extend(answer.headers().clone());
        }
        let mut body = vec![];
        while let Some(chunk) = answer.chunk().await.map_err(|it| told(&it, host))? {
            if body.len() + chunk.len() > LONGEST {
                return Err(Failure::TooLong(host.to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        parts.body(body).map_err(|it| Failure::Unreachable(host.to_owned(), it.to_string()))
    }

    fn build(&self) -> Result<reqwest::Client, String> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<rustls::RootCertStore>();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(|it| it.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let Inner { allow_private, resolver, ref names, .. } = *self.0;
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(Names { allow_private, resolver, once: names.clone() })
            // A proxy would resolve names by itself.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(PATIENCE)
            .pool_max_idle_per_host(2)
            .user_agent(concat!("Guildhall/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|it| deepest(&it))
    }
}

/// The resolver that was set, or the system's. It remembers nothing: who has just added a record wants it seen.
fn names(
    once: &OnceLock<Result<TokioResolver, String>>,
    resolver: Option<SocketAddr>,
) -> Result<&TokioResolver, String> {
    let made = once.get_or_init(|| {
        let mut builder = match resolver {
            None => Resolver::builder_tokio().map_err(|it| it.to_string())?,
            Some(at) => {
                let mut server = NameServerConfig::udp_and_tcp(at.ip());
                for it in &mut server.connections {
                    it.port = at.port();
                }
                let config = ResolverConfig::from_name_servers(vec![server]);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        builder.options_mut().cache_size = 0;
        builder.options_mut().timeout = Duration::from_secs(3);
        builder.build().map_err(|it| it.to_string())
    });
    made.as_ref().map_err(Clone::clone)
}

struct Names {
    allow_private: bool,
    resolver: Option<SocketAddr>,
    once: Arc<OnceLock<Result<TokioResolver, String>>>,
}

impl Resolve for Names {
    fn resolve(&self, name: Name) -> Resolving {
        let Names { allow_private, resolver, ref once } = *self;
        let once = once.clone();
        Box::pin(async move {
            let host = name.as_str();
            let unknown = || Failure::Unknown(host.to_owned());
            let found: Vec<IpAddr> = if resolver.is_some() {
                let names = names_of(&once, resolver)?;
                names
                    .lookup_ip(format!("{}.", host.trim_end_matches('.')))
                    .await
                    .map_err(|_| unknown())?
                    .iter()
                    .collect()
            } else {
                tokio::net::lookup_host((host, 0)).await.map_err(|_| unknown())?.map(|it| it.ip()).collect()
            };
            if found.is_empty() {
                return Err(unknown().into());
            }
            let open: Vec<SocketAddr> = found
                .into_iter()
                .filter(|it| allow_private || !is_private(*it))
                .map(|it| SocketAddr::new(it, 0))
                .collect();
            if open.is_empty() {
                return Err(Failure::Private(host.to_owned()).into());
            }
            Ok(Box::new(open.into_iter()) as Addrs)
        })
    }
}

fn names_of(
    once: &OnceLock<Result<TokioResolver, String>>,
    resolver: Option<SocketAddr>,
) -> Result<&TokioResolver, Failure> {
    names(once, resolver).map_err(|it| Failure::Unreachable("The name server".to_owned(), it))
}

/// What reqwest wraps: our own refusal if it was one.
fn told(error: &reqwest::Error, host: &str) -> Failure {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(it) = cause {
        if let Some(ours) = it.downcast_ref::<Failure>() {
            return ours.clone();
        }
        cause = it.source();
    }
    if error.is_timeout() {
        Failure::Slow(host.to_owned())
    } else {
        Failure::Unreachable(host.to_owned(), deepest(error))
    }
}

/// The innermost cause says most.
fn deepest(error: &(dyn StdError + 'static)) -> String {
    let mut last = error;
    while let Some(it) = last.source() {
        last = it;
    }
    last.to_string()
}
