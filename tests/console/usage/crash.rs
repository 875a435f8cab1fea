//! The program is killed while it ingests usage: acknowledged batches survive, and nothing is counted twice.
use crate::harness::process::{Machine, Server};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::mpsc,
    time::Duration,
};

const BATCH: usize = 40;

fn batch(n: usize) -> String {
    let event = |i: usize| {
        let model = format!("m{}", i % 5);
        json!({
            "specversion": "1.0", "type": "guildhall.usage", "source": "/crash", "id": format!("{n}-{i}"),
            "data": { "meter": "credits", "quantity": "0.1", "account": "acme", "model": model },
        })
    };
    json!((0..BATCH).map(event).collect::<Vec<Value>>()).to_string()
}

/// The JSON of a 200 response; `None` if the connection broke.
fn post(address: &str, token: &str, body: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = format!(
        "POST /api/v1/usage/events HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\
         Authorization: Bearer {token}\r\n\
         Content-Type: application/cloudevents-batch+json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut response = String::new();
    stream.read_to_string(&mut response).ok()?;
    response
        .starts_with("HTTP/1.1 200")
        .then(|| serde_json::from_str(response.split_once("\r\n\r\n")?.1).ok())?
}

fn address(server: &Server) -> String {
    server.base.trim_start_matches("http://").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_kills_lose_and_duplicate_nothing() {
    for machine in Machine::on_each_db().await {
        machine.user("ada@acme.test");
        let args =
            ["account", "create", "--kind", "organization", "--name", "Acme", "--owner", "ada@acme.test"];
        machine.run(&args).ok();
        let token = machine.run(&["token", "create", "--name", "Gateway"]).ok().trim().to_owned();
        let args = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "Reader"];
        let key = machine.run(&args).ok().trim().to_owned();
        let (mut next_batch, mut unacknowledged, mut acknowledged) = (0, vec![], vec![]);
        for round in 0..20_u64 {
            let mut server = machine.serve(&[], &[]);
            let server_address = address(&server);
            // Batches without a response are sent again: all their events are new, or none.
            for n in std::mem::take(&mut unacknowledged) {
                let response = post(&server_address, &token, &batch(n)).expect("an answer");
                let new = response["accepted"].as_u64().unwrap();
                assert!(new == 0 || new == BATCH as u64, "half a batch: {response}");
                acknowledged.push(n);
            }
            if let Some(n) = acknowledged.last() {
                let response = post(&server_address, &token, &batch(*n)).expect("an answer");
                assert_eq!(response["duplicates"], BATCH, "acknowledged but lost: {response}");
            }
            let (report, outcomes) = mpsc::channel();
            let sender = std::thread::spawn({
                let (server_address, token) = (server_address.clone(), token.clone());
                move || {
                    for n in next_batch.. {
                        let was_answered = post(&server_address, &token, &batch(n)).is_some();
                        report.send((n, was_answered)).unwrap();
                        if !was_answered {
                            return;
                        }
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(20 + round * 7 % 60));
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            sender.join().unwrap();
            for (n, was_answered) in outcomes {
                if was_answered {
                    acknowledged.push(n);
                } else {
                    unacknowledged.push(n);
                }
                next_batch = n + 1;
            }
        }
        let server = machine.serve(&[], &[]);
        for n in unacknowledged {
            post(&address(&server), &token, &batch(n)).expect("an answer");
        }
        let path = "/api/v1/accounts/acme/usage?from=2020-01-01&to=2100-01-01";
        let response = server.send_raw(&format!(
            "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n"
        ));
        let tenths = next_batch * BATCH;
        let total = match tenths % 10 {
            0 => format!("{}", tenths / 10),
            rest => format!("{}.{rest}", tenths / 10),
        };
        assert!(
            response.contains(&format!("\"quantity\":\"{total}\"")),
            "{next_batch} batches, {total}: {response}"
        );
        drop(server);
        let response = machine.run(&["usage", "rebuild"]).ok();
        assert!(response.contains("match their events"), "{response}");
    }
}
