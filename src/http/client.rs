//! Where a request comes from.
use super::App;
use crate::store::Client;
use axum::{
    extract::ConnectInfo,
    http::{HeaderMap, header, request::Parts},
};
use ipnet::IpNet;
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};

/// In characters.
const MAX_USER_AGENT: usize = 300;

/// The address of a browser and the beginning of its `User-Agent`.
pub fn client(parts: &Parts, app: &App) -> Client {
    let agent = parts.headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok());
    let agent = agent.unwrap_or_default();
    let short = agent.char_indices().nth(MAX_USER_AGENT).map_or(agent, |(end, _)| &agent[..end]);
    Client { agent: short.into(), ..program(parts, app) }
}

/// The address of a program.
pub fn program(parts: &Parts, app: &App) -> Client {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|peer| peer.0.ip().to_canonical());
    let address = peer.map(|peer| behind_proxies(peer, &parts.headers, &app.0.trusted_proxies));
    Client { address, agent: Arc::default() }
}

/// The last address of `X-Forwarded-For` that is not a trusted proxy's: those before it may be forged. The peer if that is no
/// trusted proxy.
fn behind_proxies(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let is_trusted = |address: &IpAddr| proxies.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let values = headers.get_all("x-forwarded-for").iter().filter_map(|value| value.to_str().ok());
    let hops: Vec<IpAddr> =
        values.flat_map(|value| value.split(',')).map_while(|hop| hop.trim().parse().ok()).collect();
    hops.iter().rev().find(|hop| !is_trusted(hop)).copied().unwrap_or(peer)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.0.0.2".parse().unwrap());
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let nets = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(behind_proxies(ip("10.0.0.1"), &headers, &nets), ip("9.9.9.9"));
        assert_eq!(behind_proxies(ip("8.8.8.8"), &headers, &nets), ip("8.8.8.8"));
        assert_eq!(behind_proxies(ip("10.0.0.1"), &headers, &[]), ip("10.0.0.1"));
    }
}
