//! A DNS server on the loopback interface that serves the records of a test.
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
    pub at: SocketAddr,
    records: Records,
}

impl Dns {
    pub async fn start() -> Dns {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let (at, records) = (socket.local_addr().unwrap(), Records::default());
        let known = records.clone();
        tokio::spawn(async move {
            let mut query = [0; 1500];
            while let Ok((length, from)) = socket.recv_from(&mut query).await {
                let answer = answer(&query[..length], &known);
                socket.send_to(&answer, from).await.unwrap();
            }
        });
        Dns { at, records }
    }

    /// Sets the TXT record of a name, which replaces any other record.
    pub fn text(&self, name: &str, text: &str) {
        self.records.lock().unwrap().insert(name.to_owned(), Record::Text(text.to_owned()));
    }

    /// Sets the A record of a name, which replaces any other record.
    pub fn address(&self, name: &str, address: Ipv4Addr) {
        self.records.lock().unwrap().insert(name.to_owned(), Record::Address(address));
    }

    /// Removes the record of a name.
    pub fn forget(&self, name: &str) {
        self.records.lock().unwrap().remove(name);
    }
}

/// The response of RFC 1035: the question, and at most one record of the type that was asked for.
fn answer(query: &[u8], records: &Records) -> Vec<u8> {
    let (mut at, mut labels) = (12, vec![]);
    while query[at] != 0 {
        let length = usize::from(query[at]);
        labels.push(String::from_utf8_lossy(&query[at + 1..=at + length]).to_lowercase());
        at += length + 1;
    }
    let (question, kind) = (&query[12..at + 5], query[at + 2]);
    let record = records.lock().unwrap().get(&labels.join(".")).cloned();
    let data = match (&record, kind) {
        (Some(Record::Text(text)), 16) => Some(character_strings(text)),
        (Some(Record::Address(address)), 1) => Some(address.octets().to_vec()),
        _ => None,
    };
    // No error, or NXDOMAIN.
    let code = if record.is_some() { 0x80 } else { 0x83 };
    let count = u8::from(data.is_some());
    let mut response = [&query[..2], &[0x81, code, 0, 1, 0, count, 0, 0, 0, 0], question].concat();
    if let Some(data) = data {
        response.extend([0xc0, 12, 0, kind, 0, 1, 0, 0, 0, 0]);
        response.extend(u16::try_from(data.len()).unwrap().to_be_bytes());
        response.extend::<Vec<u8>>(data);
    }
    response
}

/// A text in pieces of at most 255 bytes, each behind its length.
fn character_strings(text: &str) -> Vec<u8> {
    let pieces = text.as_bytes().chunks(255);
    pieces.flat_map(|piece| [&[u8::try_from(piece.len()).unwrap()], piece].concat()).collect()
}
