//! Where a request comes from, and what its cookies say.
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

/// The address of who asks, and what their browser calls itself.
pub fn client(parts: &Parts, app: &App) -> Client {
    let agent = parts.headers.get(header::USER_AGENT).and_then(|it| it.to_str().ok()).unwrap_or_default();
    let short = agent.char_indices().nth(300).map_or(agent, |(end, _)| &agent[..end]);
    Client { agent: short.into(), ..program(parts, app) }
}

/// The address of a program that asks.
pub fn program(parts: &Parts, app: &App) -> Client {
    let peer = parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|it| it.0.ip().to_canonical());
    let address = peer.map(|it| behind(it, &parts.headers, &app.0.proxies));
    Client { address, agent: Arc::default() }
}

/// The last address that no trusted proxy vouches for. Without trusted proxies, the peer.
fn behind(peer: IpAddr, headers: &HeaderMap, proxies: &[IpNet]) -> IpAddr {
    let trusted = |it: &IpAddr| proxies.iter().any(|net| net.contains(it));
    if !trusted(&peer) {
        return peer;
    }
    let fields = headers.get_all("x-forwarded-for").iter().filter_map(|it| it.to_str().ok());
    let named: Vec<IpAddr> =
        fields.flat_map(|it| it.split(',')).map_while(|it| it.trim().parse().ok()).collect();
    named.iter().rev().find(|it| !trusted(it)).copied().unwrap_or(peer)
}

/// A cookie's value.
pub fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    let fields = headers.get_all(header::COOKIE).iter().filter_map(|it| it.to_str().ok());
    fields.flat_map(|it| it.split("; ")).find_map(|it| it.strip_prefix(name)?.strip_prefix('='))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_trusted_proxy_is_believed() {
        let mut headers = HeaderMap::new();
        headers.insert("x-forwarded-for", "6.6.6.6, 9.9.9.9, 10.0.0.2".parse().unwrap());
        let ip = |it: &str| it.parse::<IpAddr>().unwrap();
        let nets = ["10.0.0.0/8".parse().unwrap()];
        assert_eq!(behind(ip("10.0.0.1"), &headers, &nets), ip("9.9.9.9"));
        assert_eq!(behind(ip("8.8.8.8"), &headers, &nets), ip("8.8.8.8"));
        assert_eq!(behind(ip("10.0.0.1"), &headers, &[]), ip("10.0.0.1"));
    }
}
