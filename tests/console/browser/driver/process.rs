//! The chromedriver process, one for the whole test binary.

use std::env;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

/// Starts a Chromium for each window.
pub struct Chromedriver {
    pub port: u16,
    /// Closing its standard input ends it, and closing its output would end it as well.
    _process: (Child, BufReader<ChildStdout>),
}

pub fn chromedriver() -> &'static Chromedriver {
    static RUNNING: OnceLock<Chromedriver> = OnceLock::new();
    RUNNING.get_or_init(|| {
        let mut process = Command::new("bash")
            .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/console/browser/driver/chromedriver.sh"))
            .env("CHROMEDRIVER", setting("CHROMEDRIVER"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // An interrupt from the keyboard reaches the test binary only, which then ends this process cleanly.
            .process_group(0)
            .spawn()
            .unwrap();
        let mut output = BufReader::new(process.stdout.take().unwrap());
        let mut line = String::new();
        let port = loop {
            line.clear();
            assert!(
                output.read_line(&mut line).unwrap() > 0,
                "chromedriver ended before it printed its port"
            );
            let line = line.trim_end().trim_end_matches('.');
            if let Some((_, port)) = line.split_once("successfully on port ") {
                break port.parse().unwrap();
            }
        };
        writeln!(process.stdin.as_ref().unwrap(), "{port}").unwrap();
        Chromedriver { port, _process: (process, output) }
    })
}

pub fn setting(name: &str) -> String {
    env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run the tests through ./scripts/test"))
}
