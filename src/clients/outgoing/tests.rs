use super::*;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpListener,
};

/// A server that answers each connection with these bytes, slowly if told so; its address.
async fn server(answer: Vec<u8>, after: Duration) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let answer = answer.clone();
            tokio::spawn(async move {
                let _ = stream.read(&mut [0; 4096]).await;
                tokio::time::sleep(after).await;
                let _ = stream.write_all(&answer).await;
            });
        }
    });
    at
}

fn get(url: &str) -> HttpRequest {
    http::Request::get(url).body(vec![]).unwrap()
}

#[test]
fn nothing_but_the_open_internet_is_asked() {
    for closed in [
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
        assert!(is_private(closed.parse().unwrap()), "{closed}");
    }
    for open in ["8.8.8.8", "172.32.0.1", "100.128.0.1", "2606:4700::1111", "2a00:1450:4001::200e"] {
        assert!(!is_private(open.parse().unwrap()), "{open}");
    }
}

#[tokio::test]
async fn loopback_is_refused_by_address_and_by_name() {
    let at = server(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi".to_vec(), Duration::ZERO).await;
    let closed = Outgoing::new(false, None);
    let port = at.port();
    let private = |host: &str| Err(Failure::Private(host.to_owned()));
    let status = |it: HttpResponse| it.status().as_u16();
    for host in ["127.0.0.1", "[::1]", "[::ffff:127.0.0.1]", "localhost"] {
        let said = closed.call(get(&format!("https://{host}:{port}/"))).await;
        assert_eq!(said.map(status), private(host), "{host}");
    }
    let said = closed.call(get(&format!("http://127.0.0.1:{port}/"))).await;
    assert!(matches!(said, Err(Failure::Scheme(_))));
    let opened = Outgoing::new(true, None);
    let said = opened.client()(get(&format!("http://localhost:{port}/"))).await.unwrap();
    assert_eq!((said.status().as_u16(), said.body().as_slice()), (200, &b"hi"[..]));
}

#[tokio::test]
async fn no_redirect_is_followed_and_no_flood_is_read() {
    let opened = Outgoing::new(true, None);
    let inside =
        b"HTTP/1.1 302 Found\r\nlocation: http://169.254.169.254/\r\ncontent-length: 0\r\n\r\n".to_vec();
    let at = server(inside, Duration::ZERO).await;
    assert_eq!(opened.call(get(&format!("http://{at}/"))).await.unwrap().status().as_u16(), 302);
    let mut flood = b"HTTP/1.1 200 OK\r\ncontent-length: 2000000\r\n\r\n".to_vec();
    flood.resize(flood.len() + 2_000_000, b'x');
    let at = server(flood, Duration::ZERO).await;
    let said = opened.call(get(&format!("http://{at}/"))).await;
    assert_eq!(said.err(), Some(Failure::TooLong("127.0.0.1".into())));
}

#[tokio::test]
async fn who_answers_too_late_is_not_waited_for() {
    let at = server(vec![], Duration::from_secs(3600)).await;
    let began = tokio::time::Instant::now();
    let said = Outgoing::new(true, None).call(get(&format!("http://{at}/"))).await;
    assert_eq!(said.err(), Some(Failure::Slow("127.0.0.1".into())));
    assert!(began.elapsed() < Duration::from_secs(12));
}
