//! The real program is killed while it takes usage in: what it acknowledged is there, and nothing is counted twice.
use crate::harness::machine::{Machine, Server};
use serde_json::{Value, json};
use std::{
    io::{Read as _, Write as _},
    net::TcpStream,
    sync::mpsc,
    time::Duration,
};

const BATCH: usize = 40;

fn batch(n: usize) -> String {
    let event = |at: usize| {
        json!({ "specversion": "1.0", "type": "guildhall.usage", "source": "/crash", "id": format!("{n}-{at}"),
            "data": { "meter": "credits", "quantity": "0.1", "account": "acme", "model": format!("m{}", at % 5) } })
    };
    json!((0..BATCH).map(event).collect::<Vec<Value>>()).to_string()
}

/// What was answered; none if the connection broke.
fn post(address: &str, token: &str, body: &str) -> Option<Value> {
    let mut stream = TcpStream::connect(address).ok()?;
    let head = format!(
        "POST /api/v1/usage/events HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/cloudevents-batch+json\r\nContent-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).ok()?;
    stream.write_all(body.as_bytes()).ok()?;
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    said.starts_with("HTTP/1.1 200").then(|| serde_json::from_str(said.split_once("\r\n\r\n")?.1).ok())?
}

fn address(server: &Server) -> String {
    server.base.trim_start_matches("http://").to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn twenty_times_killed_loses_and_doubles_nothing() {
    for machine in Machine::each().await {
        machine.user("ada@acme.test");
        let args =
            ["account", "create", "--kind", "organization", "--name", "Acme", "--owner", "ada@acme.test"];
        machine.run(&args).ok();
        let token = machine.run(&["token", "create", "--name", "Gateway"]).ok().trim().to_owned();
        let args = ["key", "create", "--account", "acme", "--email", "ada@acme.test", "--name", "Reader"];
        let key = machine.run(&args).ok().trim().to_owned();
        let (mut next, mut open, mut acknowledged) = (0, vec![], vec![]);
        for round in 0..20_u64 {
            let mut server = machine.serve(&[], &[]);
            let at = address(&server);
            // What was on its way is sent again: all of it is new, or none.
            for n in std::mem::take(&mut open) {
                let said = post(&at, &token, &batch(n)).expect("an answer");
                let new = said["accepted"].as_u64().unwrap();
                assert!(new == 0 || new == BATCH as u64, "half a batch: {said}");
                acknowledged.push(n);
            }
            if let Some(n) = acknowledged.last() {
                let said = post(&at, &token, &batch(*n)).expect("an answer");
                assert_eq!(said["duplicates"], BATCH, "acknowledged and lost: {said}");
            }
            let (tell, told) = mpsc::channel();
            let sender = std::thread::spawn({
                let (at, token) = (at.clone(), token.clone());
                move || {
                    for n in next.. {
                        let went = post(&at, &token, &batch(n)).is_some();
                        tell.send((n, went)).unwrap();
                        if !went {
                            return;
                        }
                    }
                }
            });
            std::thread::sleep(Duration::from_millis(20 + round * 7 % 60));
            server.child.kill().unwrap();
            server.child.wait().unwrap();
            sender.join().unwrap();
            for (n, went) in told {
                if went {
                    acknowledged.push(n);
                } else {
                    open.push(n);
                }
                next = n + 1;
            }
        }
        let server = machine.serve(&[], &[]);
        for n in open {
            post(&address(&server), &token, &batch(n)).expect("an answer");
        }
        let path = "/api/v1/accounts/acme/usage?from=2020-01-01&to=2100-01-01";
        let said = server.ask(&format!(
            "GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\r\n"
        ));
        let tenths = next * BATCH;
        let total = match tenths % 10 {
            0 => format!("{}", tenths / 10),
            rest => format!("{}.{rest}", tenths / 10),
        };
        assert!(said.contains(&format!("\"quantity\":\"{total}\"")), "{next} batches, {total}: {said}");
        drop(server);
        let said = machine.run(&["usage", "rebuild"]).ok();
        assert!(said.contains("are those of their events"), "{said}");
    }
}
