//! A name server of the tests' own, on loopback: it knows what the test tells it.
use std::{
    collections::BTreeMap,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
};
use tokio::net::UdpSocket;

type Records = Arc<Mutex<BTreeMap<String, Record>>>;

#[derive(Clone)]
enum Record {
    Text(String),
    Address(Ipv4Addr),
}

/// Answers over UDP.
pub struct Dns {
    /// Where.
    pub at: SocketAddr,
    records: Records,
}

impl Dns {
    /// Begins to answer.
    pub async fn start() -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (at, records) = (socket.local_addr().unwrap(), Records::default());
        let known = records.clone();
        tokio::spawn(async move {
            let mut asked = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut asked).await {
                let answer = answer(&asked[..length], &known);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Dns { at, records }
    }
    /// A name has this text from now on.
    pub fn text(&self, name: &str, text: &str) {
        self.records.lock().unwrap().insert(name.to_owned(), Record::Text(text.to_owned()));
    }
    /// A name has this address from now on.
    pub fn address(&self, name: &str, address: Ipv4Addr) {
        self.records.lock().unwrap().insert(name.to_owned(), Record::Address(address));
    }
    /// A name is gone.
    pub fn forget(&self, name: &str) {
        self.records.lock().unwrap().remove(name);
    }
}

/// RFC 1035: the question back, and one record if there is one of the kind that is asked for.
fn answer(asked: &[u8], records: &Records) -> Vec<u8> {
    let (mut at, mut labels) = (12, vec![]);
    while asked[at] != 0 {
        let length = usize::from(asked[at]);
        labels.push(String::from_utf8_lossy(&asked[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let (question, kind) = (&asked[12..at + 5], asked[at + 2]);
    let found = records.lock().unwrap().get(&labels.join(".")).cloned();
    let data = match (&found, kind) {
        (Some(Record::Text(text)), 16) => Some(
            text.as_bytes()
                .chunks(255)
                .flat_map(|it| [&[u8::try_from(it.len()).unwrap()], it].concat())
                .collect(),
        ),
        (Some(Record::Address(it)), 1) => Some(it.octets().to_vec()),
        _ => None,
    };
    let code = if found.is_some() { 0x80 } else { 0x83 };
    let count = u8::from(data.is_some());
    let mut said = [&asked[..2], &[0x81, code, 0, 1, 0, count, 0, 0, 0, 0], question].concat();
    if let Some(data) = data {
        said.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0]);
        said.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        said.extend::<Vec<u8>>(data);
    }
    said
}
