//! The real program as a process of its own: its commands, and its server, on a machine with a database.
use super::{PASSWORD, fresh_postgres};
use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    sync::{Mutex, mpsc},
    time::{Duration, Instant},
};

/// The secret key on Postgres.
pub const SECRET: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

/// A machine with the program on it.
pub struct Machine {
    pub dir: tempfile::TempDir,
    pub url: String,
    pub is_sqlite: bool,
}

/// What a command answered.
pub struct Ran {
    pub code: i32,
    pub out: String,
    pub err: String,
}

impl Ran {
    pub fn ok(self) -> String {
        assert_eq!((self.code, self.err.as_str()), (0, ""), "{}", self.out);
        self.out
    }
    /// Exit status, one sentence on standard error that says this, and nothing on standard output.
    pub fn fails(self, code: i32, says: &str) {
        assert_eq!((self.code, self.out.as_str()), (code, ""), "{}", self.err);
        assert!(self.err.contains(says), "{} does not say {says}", self.err);
        assert_eq!(self.err.lines().count(), 1, "{}", self.err);
    }
}

impl Machine {
    pub fn lite() -> Machine {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}/guildhall.db", dir.path().display());
        Machine { dir, url, is_sqlite: true }
    }
    pub async fn each() -> [Machine; 2] {
        let dir = tempfile::tempdir().unwrap();
        [Machine::lite(), Machine { dir, url: fresh_postgres().await, is_sqlite: false }]
    }
    pub fn command(&self, env: &[(&str, &str)], args: &[&str]) -> Command {
        let mut it = Command::new(env!("CARGO_BIN_EXE_guildhall"));
        it.env_clear().env("GUILDHALL_DATABASE_URL", &self.url).env("GUILDHALL_LISTEN", "127.0.0.1:0");
        if !self.is_sqlite {
            it.env("GUILDHALL_SECRET_KEY", SECRET);
        }
        it.envs(env.iter().copied()).args(args).current_dir(self.dir.path());
        it.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        it
    }
    pub fn run(&self, args: &[&str]) -> Ran {
        self.run_with(&[], args, "")
    }
    pub fn run_with(&self, env: &[(&str, &str)], args: &[&str], stdin: &str) -> Ran {
        let mut child = self.command(env, args).spawn().unwrap();
        // A command that reads nothing may be over already.
        let _ = child.stdin.take().unwrap().write_all(stdin.as_bytes());
        let done = child.wait_with_output().unwrap();
        let text = |it: Vec<u8>| String::from_utf8(it).unwrap();
        Ran { code: done.status.code().unwrap(), out: text(done.stdout), err: text(done.stderr) }
    }
    pub fn user(&self, email: &str) {
        let args = ["user", "create", "--email", email, "--name", "Ada Byron", "--password-stdin"];
        self.run_with(&[], &args, &format!("{PASSWORD}\n")).ok();
    }
    /// A server whose files may not grow beyond so many KiB.
    pub fn serve_small(&self, kib: u32, env: &[(&str, &str)]) -> Server {
        let plain = self.command(env, &["serve"]);
        let mut it = Command::new("bash");
        // Without the trap, the kernel would end the process where a disk would only refuse.
        it.args(["-c", &format!("trap '' XFSZ; ulimit -f {kib}; exec \"$0\" serve")])
            .arg(plain.get_program());
        it.env_clear().envs(plain.get_envs().filter_map(|(name, value)| Some((name, value?))));
        it.current_dir(self.dir.path()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        Server::start(it)
    }
    /// A running server: what it logs goes nowhere, for nobody would empty a pipe.
    pub fn serve(&self, env: &[(&str, &str)], args: &[&str]) -> Server {
        let mut command = self.command(env, args);
        command.stderr(Stdio::null());
        Server::start(command)
    }
}

impl Server {
    fn start(command: Command) -> Server {
        let server = Server::begin(command);
        server.is_up();
        server
    }
    /// A program whose first line says where it serves.
    pub fn begin(mut command: Command) -> Server {
        let mut child = command.spawn().unwrap();
        let (tell, said) = mpsc::channel();
        let out = BufReader::new(child.stdout.take().unwrap());
        std::thread::spawn(move || out.lines().map_while(Result::ok).for_each(|it| drop(tell.send(it))));
        let first = said.recv_timeout(Duration::from_secs(20)).expect("the address within 20 seconds");
        let base = first.rsplit_once(" at ").unwrap().1.to_owned();
        Server { child, base, said: Mutex::new(said) }
    }
}

/// An answer of the API.
pub struct Reply {
    pub status: u16,
    /// Status line and fields, in small letters.
    pub head: String,
    pub body: String,
}

/// A running server.
pub struct Server {
    pub child: Child,
    pub base: String,
    said: Mutex<mpsc::Receiver<String>>,
}

impl Server {
    pub fn is_up(&self) {
        assert!(!self.base.starts_with("http://127") || self.get("/readyz").starts_with("HTTP/1.1 200"));
    }
    pub fn lines(&self) -> String {
        let mut all = String::new();
        let said = self.said.lock().unwrap();
        while let Ok(line) = said.recv_timeout(Duration::from_millis(300)) {
            all += &line;
            all.push('\n');
        }
        all
    }
    /// One API call; none if the connection broke before there was an answer.
    pub fn call(&self, key: &str, method: &str, path: &str, body: &str) -> Option<Reply> {
        let mut stream = TcpStream::connect(self.base.strip_prefix("http://").unwrap()).ok()?;
        stream.set_read_timeout(Some(Duration::from_secs(15))).ok()?;
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\nAuthorization: Bearer {key}\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        stream.write_all(request.as_bytes()).ok()?;
        let mut said = Vec::new();
        stream.read_to_end(&mut said).ok()?;
        let said = String::from_utf8_lossy(&said).into_owned();
        let (head, body) = said.split_once("\r\n\r\n")?;
        let status = head.split(' ').nth(1)?.parse().ok()?;
        Some(Reply { status, head: head.to_ascii_lowercase(), body: body.to_owned() })
    }
    /// SIGKILL: nothing is finished.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
    pub fn get(&self, path: &str) -> String {
        self.ask(&format!("GET {path} HTTP/1.1\r\nHost: here\r\nConnection: close\r\n\r\n"))
    }
    pub fn ask(&self, request: &str) -> String {
        let mut stream = TcpStream::connect(self.base.strip_prefix("http://").unwrap()).unwrap();
        stream.write_all(request.as_bytes()).unwrap();
        let mut said = Vec::new();
        stream.read_to_end(&mut said).unwrap();
        String::from_utf8_lossy(&said).into_owned()
    }
    pub fn sign_in(&self, email: &str) -> String {
        let pairs = [("email", email), ("password", PASSWORD)];
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish();
        self.ask(&format!(
            "POST /sign-in HTTP/1.1\r\nHost: here\r\nOrigin: {}\r\nConnection: close\r\n\
             Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
            self.base,
            body.len()
        ))
    }
    pub fn tell(&self, signal: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    }
    /// SIGTERM; says how long it took.
    pub fn stop(mut self) -> Duration {
        let began = Instant::now();
        self.tell("-TERM");
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
