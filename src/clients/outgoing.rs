//! Requests to addresses that customers enter, such as issuers. Against server-side request forgery, names are resolved here,
//! and addresses of this machine or of a private network are refused after resolution.
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

/// Boxed, so that what calls a provider does not carry the HTTP client's future in its own type.
type BoxFuture<'a, T> = std::pin::Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// For one request, from the resolution of the name to the last byte of the response.
const TIMEOUT: Duration = Duration::from_secs(10);
/// In bytes.
const MAX_BODY: usize = 1 << 20;

/// Displays as a sentence.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RequestError {
    /// Not https, or not a web address at all.
    Scheme(String),
    /// A host on this machine or in a private network.
    Private(String),
    /// The name has no address.
    Unknown(String),
    /// No complete response in time.
    Slow(String),
    /// A response of more than 1 MiB.
    TooLong(String),
    /// The host, and the cause.
    Unreachable(String, String),
}

impl fmt::Display for RequestError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RequestError::Scheme(url) => write!(f, "{url} does not begin with https://."),
            RequestError::Private(host) => {
                write!(
                    f,
                    "{host} is on this machine or in a private network, where requests are not allowed."
                )
            }
            RequestError::Unknown(host) => write!(f, "The name {host} has no address."),
            RequestError::Slow(host) => {
                write!(f, "{host} did not answer within {} seconds.", TIMEOUT.as_secs())
            }
            RequestError::TooLong(host) => write!(f, "{host} answered with more than 1 MiB."),
            RequestError::Unreachable(host, cause) => write!(f, "{host} cannot be reached ({cause})."),
        }
    }
}
impl StdError for RequestError {}

type ResponseFuture = Pin<Box<dyn Future<Output = Result<HttpResponse, RequestError>> + Send>>;

#[derive(Clone)]
pub struct Outgoing(Arc<Inner>);

struct Inner {
    allow_private: bool,
    name_server: Option<SocketAddr>,
    // Built at the first request: most processes make none.
    client: OnceLock<Result<reqwest::Client, String>>,
    resolver: Arc<OnceLock<Result<TokioResolver, String>>>,
}

impl fmt::Debug for Outgoing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Outgoing")
    }
}

impl Outgoing {
    /// `allow_private` allows private addresses and http. Without a `name_server`, the system resolves names.
    pub fn new(allow_private: bool, name_server: Option<SocketAddr>) -> Outgoing {
        let (client, resolver) = (OnceLock::new(), Arc::default());
        Outgoing(Arc::new(Inner { allow_private, name_server, client, resolver }))
    }
    pub fn allows_private(&self) -> bool {
        self.0.allow_private
    }
    /// Sends a request and reads the whole response. Redirects are not followed: they could lead to a private address.
    pub fn send(&self, request: HttpRequest) -> BoxFuture<'_, Result<HttpResponse, RequestError>> {
        Box::pin(async move {
            let uri = request.uri().clone();
            let host = uri.host().unwrap_or_default().to_owned();
            let is_allowed = uri.scheme_str() == Some("https")
                || (self.0.allow_private && uri.scheme_str() == Some("http"));
            if !is_allowed {
                return Err(RequestError::Scheme(uri.to_string()));
            }
            // A literal address bypasses the resolver, so it is checked here.
            let literal = host.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
            if !self.0.allow_private && literal.is_ok_and(is_private) {
                return Err(RequestError::Private(host));
            }
            let result = tokio::time::timeout(TIMEOUT, self.exchange(request, &host)).await;
            result.unwrap_or(Err(RequestError::Slow(host)))
        })
    }
    /// As the HTTP client that `oauth2` expects.
    pub fn oauth2_client(&self) -> impl Fn(HttpRequest) -> ResponseFuture + Send + Sync + use<> {
        let this = self.clone();
        move |request| {
            let this = this.clone();
            Box::pin(async move { this.send(request).await })
        }
    }
    /// The TXT records of a name, without any cache. Empty if it has none.
    pub fn lookup_txt<'a>(&'a self, name: &'a str) -> BoxFuture<'a, Result<Vec<String>, RequestError>> {
        Box::pin(async move {
            let unreachable = |cause: String| RequestError::Unreachable("The name server".to_owned(), cause);
            let resolver = resolver(&self.0.resolver, self.0.name_server).map_err(unreachable)?;
            let result = tokio::time::timeout(TIMEOUT, resolver.txt_lookup(format!("{name}."))).await;
            match result {
                Err(_) => Err(RequestError::Slow("The name server".to_owned())),
                Ok(Err(error)) if error.is_nx_domain() || error.is_no_records_found() => Ok(vec![]),
                Ok(Err(error)) => Err(unreachable(error.to_string())),
                Ok(Ok(found)) => Ok(found
                    .answers()
                    .iter()
                    .filter_map(|record| match &record.data {
                        RData::TXT(txt) => Some(String::from_utf8_lossy(&txt.txt_data.concat()).into_owned()),
                        _ => None,
                    })
                    .collect()),
            }
        })
    }

    async fn exchange(&self, request: HttpRequest, host: &str) -> Result<HttpResponse, RequestError> {
        let client = self.0.client.get_or_init(|| self.build());
        let client =
            client.as_ref().map_err(|error| RequestError::Unreachable(host.to_owned(), error.clone()))?;
        let request = reqwest::Request::try_from(request)
            .map_err(|error| RequestError::Unreachable(host.to_owned(), root_cause(&error)))?;
        let mut response = client.execute(request).await.map_err(|error| classify(&error, host))?;
        let mut parts = http::Response::builder().status(response.status());
        if let Some(headers) = parts.headers_mut() {
            headers.extend(response.headers().clone());
        }
        let mut body = vec![];
        while let Some(chunk) = response.chunk().await.map_err(|error| classify(&error, host))? {
            if body.len() + chunk.len() > MAX_BODY {
                return Err(RequestError::TooLong(host.to_owned()));
            }
            body.extend_from_slice(&chunk);
        }
        parts.body(body).map_err(|error| RequestError::Unreachable(host.to_owned(), error.to_string()))
    }

    fn build(&self) -> Result<reqwest::Client, String> {
        let roots = webpki_roots::TLS_SERVER_ROOTS.iter().cloned().collect::<rustls::RootCertStore>();
        let ring = Arc::new(rustls::crypto::ring::default_provider());
        let tls = rustls::ClientConfig::builder_with_provider(ring)
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let Inner { allow_private, name_server, ref resolver, .. } = *self.0;
        reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            .dns_resolver(GuardedResolver { allow_private, name_server, resolver: resolver.clone() })
            // A proxy would resolve names itself, past the check.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .referer(false)
            .timeout(TIMEOUT)
            .pool_max_idle_per_host(2)
            .user_agent(concat!("Guildhall/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| root_cause(&error))
    }
}

/// Built once. It caches nothing, so that a record that was just added is found.
fn resolver(
    built: &OnceLock<Result<TokioResolver, String>>,
    name_server: Option<SocketAddr>,
) -> Result<&TokioResolver, String> {
    let result = built.get_or_init(|| {
        let mut builder = match name_server {
            None => Resolver::builder_tokio().map_err(|error| error.to_string())?,
            Some(at) => {
                let mut server = NameServerConfig::udp_and_tcp(at.ip());
                for connection in &mut server.connections {
                    connection.port = at.port();
                }
                let config = ResolverConfig::from_name_servers(vec![server]);
                Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            }
        };
        builder.options_mut().cache_size = 0;
        builder.options_mut().timeout = Duration::from_secs(3);
        builder.build().map_err(|error| error.to_string())
    });
    result.as_ref().map_err(Clone::clone)
}

/// Resolves only to addresses to which requests are allowed.
struct GuardedResolver {
    allow_private: bool,
    name_server: Option<SocketAddr>,
    resolver: Arc<OnceLock<Result<TokioResolver, String>>>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let GuardedResolver { allow_private, name_server, ref resolver } = *self;
        let resolver = resolver.clone();
        Box::pin(async move {
            let host = name.as_str();
            let unknown = || RequestError::Unknown(host.to_owned());
            let found: Vec<IpAddr> = if name_server.is_some() {
                configured_resolver(&resolver, name_server)?
                    .lookup_ip(format!("{}.", host.trim_end_matches('.')))
                    .await
                    .map_err(|_| unknown())?
                    .iter()
                    .collect()
            } else {
                tokio::net::lookup_host((host, 0))
                    .await
                    .map_err(|_| unknown())?
                    .map(|address| address.ip())
                    .collect()
            };
            if found.is_empty() {
                return Err(unknown().into());
            }
            let allowed: Vec<SocketAddr> = found
                .into_iter()
                .filter(|ip| allow_private || !is_private(*ip))
                .map(|ip| SocketAddr::new(ip, 0))
                .collect();
            if allowed.is_empty() {
                return Err(RequestError::Private(host.to_owned()).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}

fn configured_resolver(
    built: &OnceLock<Result<TokioResolver, String>>,
    name_server: Option<SocketAddr>,
) -> Result<&TokioResolver, RequestError> {
    resolver(built, name_server)
        .map_err(|cause| RequestError::Unreachable("The name server".to_owned(), cause))
}

/// reqwest wraps the error of our resolver: it is taken out again.
fn classify(error: &reqwest::Error, host: &str) -> RequestError {
    let mut cause: Option<&(dyn StdError + 'static)> = Some(error);
    while let Some(inner) = cause {
        if let Some(ours) = inner.downcast_ref::<RequestError>() {
            return ours.clone();
        }
        cause = inner.source();
    }
    if error.is_timeout() {
        RequestError::Slow(host.to_owned())
    } else {
        RequestError::Unreachable(host.to_owned(), root_cause(error))
    }
}

fn root_cause(error: &(dyn StdError + 'static)) -> String {
    let mut cause = error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    cause.to_string()
}
