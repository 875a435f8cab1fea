use super::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// The address of a server that answers each connection with these bytes after a delay.
async fn server(response: Vec<u8>, delay: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let response = response.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                tokio::time::sleep(delay).await;
                let _ = stream.write_all(&response).await;
            });
        }
    });
    at
}

fn get(url: &str) -> HttpRequest {
    http::Request::get(url).body(vec![]).unwrap()
}

#[test]
fn only_public_addresses_are_allowed() {
    for private in [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.31.255.255",
        "192.168.0.1",
        "169.254.169.254",
        "100.100.100.200",
        "168.63.129.16",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00:ec2::254",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "2002:7f00:1::",
        "2001::1",
        "::127.0.0.1",
    ] {
        assert!(is_private(private.parse().unwrap()), "{private}");
    }
    for public in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::200e"] {
        assert!(!is_private(public.parse().unwrap()), "{public}");
    }
}

#[tokio::test]
async fn loopback_is_refused_by_address_and_by_name() {
    let at = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec(), Duration::ZERO).await;
    let guarded = Outgoing::new(false, None);
    let port = at.port();
    let private = |host: &str| Err(RequestError::Private(host.to_owned()));
    let status = |response: HttpResponse| response.status().as_u16();
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"] {
        let result = guarded.send(get(&format!("https://{host}:{port}/"))).await;
        assert_eq!(result.map(status), private(host), "{host}");
    }
    let result = guarded.send(get(&format!("http://127.0.0.1:{port}/"))).await;
    assert!(matches!(result, Err(RequestError::Scheme(_))));
    let unguarded = Outgoing::new(true, None);
    let result = unguarded.oauth2_client()(get(&format!("http://localhost:{port}/"))).await.unwrap();
    assert_eq!((result.status().as_u16(), result.body().as_slice()), (200, &b"hi"[..]));
}

#[tokio::test]
async fn redirects_are_not_followed_and_large_bodies_are_refused() {
    let unguarded = Outgoing::new(true, None);
    let redirect =
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let at = server(redirect, Duration::ZERO).await;
    assert_eq!(unguarded.send(get(&format!("http://{at}/"))).await.unwrap().status().as_u16(), 302);
    let mut large = b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n".to_vec();
    large.resize(large.len() + 2_000_000, b'x');
    let at = server(large, Duration::ZERO).await;
    let result = unguarded.send(get(&format!("http://{at}/"))).await;
    assert_eq!(result.err(), Some(RequestError::TooLong("127.0.0.1".into())));
}

#[tokio::test]
async fn slow_servers_time_out() {
    let at = server(vec![], Duration::from_secs(3600)).await;
    let began = tokio::time::Instant::now();
    let result = Outgoing::new(true, None).send(get(&format!("http://{at}/"))).await;
    assert_eq!(result.err(), Some(RequestError::Slow("127.0.0.1".into())));
    assert!(began.elapsed() < Duration::from_secs(12));
}
