//! The compiled program as a separate process: its commands and its server.
use super::{PASSWORD, fresh_postgres, scaled};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

/// The secret key of an installation on Postgres.
pub const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A directory and a database in which the program runs.
pub struct Machine {
    pub dir: tempfile::TempDir,
    pub url: String,
    pub is_sqlite: bool,
}

/// The result of a command.
pub struct CommandOutput {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl CommandOutput {
    /// Asserts success and silence on standard error; answers standard output.
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }

    /// Asserts the exit status, one line on standard error that contains this text, and nothing on standard output.
    pub fn assert_fails(self, code: i32, text: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.contains(text), "{} does not contain {text}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
    }
}

impl Machine {
    pub fn sqlite() -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/guildhall.db", dir.path().display());
        Machine { dir, url, is_sqlite: true }
    }

    pub async fn on_each_db() -> [Machine; 2] {
        let dir = tempfile::tempdir().unwrap();
        [Machine::sqlite(), Machine { dir, url: fresh_postgres().await, is_sqlite: false }]
    }

    pub fn command(&self, env: &[(&str, &str)], args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_guildhall"));
        command.env_clear().env("GUILDHALL_DATABASE_URL", &self.url).env("GUILDHALL_LISTEN", "127.0.0.1:0");
        if !self.is_sqlite {
            command.env("GUILDHALL_SECRET_KEY", SECRET);
        }
        command.envs(env.iter().copied()).args(args).current_dir(self.dir.path());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    pub fn run(&self, args: &[&str]) -> CommandOutput {
        self.run_with(&[], args, "")
    }

    pub fn run_with(&self, env: &[(&str, &str)], args: &[&str], stdin: &str) -> CommandOutput {
        let mut child = self.command(env, args).spawn().unwrap();
        // A command that reads no input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let done = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        CommandOutput { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
    }

    pub fn user(&self, email: &str) {
        let args = ["user", "create", "--email", email, "--name", "Ada Byron", "--password-stdin"];
        self.run_with(&[], &args, &format!("{PASSWORD}\n")).ok();
    }

    /// A server that cannot write beyond this file size in KiB, as on a full disk.
    pub fn serve_with_file_limit(&self, kib: u32, env: &[(&str, &str)]) -> Server {
        let plain = self.command(env, &["serve"]);
        let mut limited = Command::new("bash");
        // Without the trap, the kernel would kill the process instead of failing the write.
        limited
            .args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" serve")])
            .arg(plain.get_program());
        limited.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        limited
            .current_dir(self.dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null());
        Server::start(limited)
    }

    /// Starts the server. Its log is discarded, because nothing reads the pipe.
    pub fn serve(&self, env: &[(&str, &str)], args: &[&str]) -> Server {
        let mut command = self.command(env, args);
        command.stderr(Stdio::null());
        Server::start(command)
    }
}

impl Server {
    fn start(command: Command) -> Server {
        let server = Server::spawn(command);
        server.assert_ready();
        server
    }

    /// Starts a program whose first line of output ends with ` at ` and its URL.
    pub fn spawn(mut command: Command) -> Server {
        let mut child = command.spawn().unwrap();
        let (sender, lines) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || {
            out.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        let first = lines.recv_timeout(scaled(Duration::from_secs(60))).expect("the URL within a minute");
        let base = first.rsplit_once(" at ").unwrap().1.to_owned();
        Server { child, base, lines: Mutex::new(lines) }
    }
}

/// A response of the API.
pub struct Reply {
    pub status: u16,
    /// Status line and headers, in lower case.
    pub head: String,
    pub body: String,
}

/// A running server.
pub struct Server {
    pub child: Child,
    pub base: String,
    lines: Mutex<mpsc::Receiver<String>>,
}

impl Server {
    pub fn assert_ready(&self) {
        assert!(!self.base.starts_with("http://127") || self.get("/readyz").starts_with("HTTP/1.1 200"));
    }

    /// What the server has written to standard output since the first line.
    pub fn lines(&self) -> String {
        let mut all = String::new();
        let lines = self.lines.lock().unwrap();
        while let Ok(line) = lines.recv_timeout(scaled(Duration::from_millis(300))) {
            all += &line;
            all.push('\n');
        }
        all
    }

    /// One API call. `None` if the connection broke before there was a response.
    pub fn call(&self, key: &str, method: &str, path: &str, body: &str) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.base.strip_prefix("http://").unwrap()).ok()?;
        stream.set_read_timeout(Some(scaled(Duration::from_secs(15)))).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut response = Vec::new();
        stream.read_to_end(&mut response).ok()?;
        let response = String::from_utf8_lossy(&response).into_owned();
        let (head, body) = response.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }

    /// Kills the process with SIGKILL.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    pub fn get(&self, path: &str) -> String {
        self.send_raw(&format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"))
    }

    pub fn send_raw(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.base.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut response = Vec::new();
        stream.read_to_end(&mut response).unwrap();
        String::from_utf8_lossy(&response).into_owned()
    }

    pub fn sign_in(&self, email: &str) -> String {
        let pairs = [("email", email), ("password", PASSWORD)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.send_raw(&format!(
            "POST /sign-in HTTP/1.1\r\nHost: here\r\nOrigin: {}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.base,
            body.len()
        ))
    }

    pub fn signal(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }

    /// Ends the process with SIGTERM; answers how long that took.
    pub fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.signal("-TERM");
        assert_eq!(self.child.wait().unwrap().code(), Some(0));
        began.elapsed()
    }
}
impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
