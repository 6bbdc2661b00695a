//! `causeway top` beside running processes, as text and on a terminal.

use causeway::engine::Kind;

use crate::support::{
    DEADLINE, Flow, Process, Service, Site, Suite, World, put, run, sh, wait_until,
};

pub fn add(suite: &mut Suite) {
    suite.both("top_prints_a_screen_of_either_role", once);
    suite.once("top_says_why_it_cannot_look", failures);
    suite.once("top_speaks_tls_and_shows_its_token", with_token);
    suite.once("top_on_a_terminal_obeys_keys_and_outlives_its_server", terminal);
}

const PROGRAM: &str = env!("CARGO_BIN_EXE_causeway");

fn once(kind: Kind) {
    let service = Service::echo();
    let site = Site::new(kind, service.address, false);
    let running = site.start();
    let flows = [Flow::start(running.channel), Flow::start(running.channel)];
    for (role, admin) in [("proxy", running.proxy_admin), ("connector", running.connector_admin)] {
        let url = format!("http://{admin}");
        let printed = run(PROGRAM, &["top", "--admin", &url, "--once"], b"");
        let text = printed.text();
        assert!(printed.status.success(), "{}", printed.stderr);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 24, "{text}");
        assert!(lines.iter().all(|line| line.chars().count() <= 80), "{text}");
        assert!(
            lines[0].contains(&format!("causeway {role}")) && lines[0].contains(&url),
            "{text}"
        );
        assert!(lines[1].contains("streams 2 (of 2)"), "{text}");
        // Two flows move kilobytes a second at least, both ways.
        let moving = |line: &str| line.matches("kB/s").count() + line.matches("MB/s").count();
        assert_eq!(moving(lines[1]), 2, "{text}");
        let row = lines.iter().find(|line| line.contains("echoserver")).expect(&text);
        assert!(row.starts_with("11111111-2222") && moving(row) == 2, "{text}");
        let connect = lines.iter().find(|line| line.starts_with("connect ")).expect(&text);
        assert_eq!(connect.split_whitespace().nth(1), Some("2"), "{text}");
        assert!(lines[23].starts_with("q quit   s sort"), "{text}");
    }
    flows.into_iter().for_each(|flow| assert!(flow.finish() > 0));
}

fn failures() {
    for (arguments, said) in [
        (&["--admin", "http://127.0.0.1:1", "--once"][..], "refused"),
        (&["--admin", "127.0.0.1:9494", "--once"], "http"),
        (&["--admin", "https://localhost:9494", "--once"], "--ca"),
        (&["--admin", "http://127.0.0.1:1"], "--once"),
    ] {
        let arguments: Vec<&str> = ["top"].iter().chain(arguments).copied().collect();
        let finished = run(PROGRAM, &arguments, b"");
        assert_eq!(finished.status.code(), Some(1), "{arguments:?}: {}", finished.stderr);
        assert!(finished.stderr.contains(said), "{arguments:?}: {}", finished.stderr);
    }
}

fn with_token() {
    let world = World::new(Kind::Epoll);
    put(&world.path("admin.token"), "0123456789abcdef0123456789abcdef\n");
    let config = world.proxy_toml("127.0.0.1:0")
        + "[admin]\nlisten = \"0.0.0.0:0\"\ntoken_file = \"admin.token\"\n[admin.tls]\n\
           certificate = \"server.crt\"\nprivate_key = \"server.key\"\n";
    let path = world.path("proxy.toml");
    put(&path, &config);
    let mut process = Process::causeway(&["proxy", "--config", &path.display().to_string()]);
    let port = process.address("admin server listens", "address").port();
    let url = format!("https://localhost:{port}");
    let file = |name: &str| world.path(name).display().to_string();
    let (ca, token) = (file("ca.crt"), file("admin.token"));
    let arguments = ["top", "--admin", &url, "--ca", &ca, "--once"];
    let finished = run(PROGRAM, &arguments, b"");
    assert_eq!(finished.status.code(), Some(1), "without the token");
    assert!(finished.stderr.contains("401"), "{}", finished.stderr);
    let finished = run(PROGRAM, &[&arguments[..], &["--token-file", &token]].concat(), b"");
    assert!(finished.status.success(), "{}", finished.stderr);
    assert!(finished.text().contains("causeway proxy"), "{}", finished.text());
}

/// What a terminal shows that was sent these bytes: text goes where the cursor is, `CSI row;column
/// H` moves that, and other sequences are colours and modes. Only what changes is sent.
fn screen(sent: &[u8]) -> String {
    let sent = String::from_utf8_lossy(sent);
    let mut cells = vec![vec![' '; 80]; 24];
    let (mut row, mut column) = (0, 0);
    let mut rest = sent.chars();
    while let Some(char) = rest.next() {
        if char != '\u{1b}' {
            if let Some(cell) =
                cells.get_mut(row).and_then(|line: &mut Vec<char>| line.get_mut(column))
            {
                *cell = char;
            }
            column += 1;
            continue;
        }
        if rest.next() != Some('[') {
            continue;
        }
        let mut numbers = String::new();
        let end = rest.find(|char| {
            numbers.push(*char);
            char.is_ascii_alphabetic()
        });
        if numbers == "?1049h" {
            // The other screen, which is empty.
            cells.iter_mut().for_each(|line| line.fill(' '));
        } else if end == Some('H') {
            let numbers = numbers.trim_end_matches('H').split(';');
            let mut numbers = numbers.map(|number| number.parse::<usize>().unwrap_or(1) - 1);
            (row, column) = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
        }
    }
    cells.into_iter().map(|line| line.into_iter().collect::<String>() + "\n").collect()
}

/// A terminal is made by `script` of util-linux, which is part of every Debian.
fn terminal() {
    let world = World::with_services(Kind::Epoll, &[]);
    let path = world.path("proxy.toml");
    put(&path, &(world.proxy_toml("127.0.0.1:0") + "[admin]\nlisten = \"127.0.0.1:0\"\n"));
    let mut process = Process::causeway(&["proxy", "--config", &path.display().to_string()]);
    let admin = process.address("admin server listens", "address");
    let seen = world.path("seen");
    let keys = world.path("keys");
    sh(&format!("mkfifo {}", keys.display()));
    let line = format!(
        "exec script -qefc 'stty rows 24 columns 80; {PROGRAM} top --admin http://{admin}' {} <{}",
        seen.display(),
        keys.display()
    );
    let mut top = Process::start(std::process::Command::new("sh").args(["-c", &line]));
    let mut pressed = std::fs::OpenOptions::new().write(true).open(&keys).unwrap();
    let shows = |text: &str| std::fs::read(&seen).is_ok_and(|sent| screen(&sent).contains(text));
    wait_until("the first screen", DEADLINE, || shows("  ready") && shows("sort (streams)"));
    let mut press = |keys: &str| std::io::Write::write_all(&mut pressed, keys.as_bytes()).unwrap();
    press("s");
    wait_until("another order", DEADLINE, || shows("sort (up)"));
    press("/xyz\r");
    wait_until("the filter", DEADLINE, || shows("filter (\"xyz\")"));
    press("p");
    wait_until("the pause", DEADLINE, || shows("PAUSED"));
    drop(process);
    wait_until("the loss", DEADLINE, || shows("LOST for"));
    assert!(top.is_running(), "it tries again");
    press("q");
    let (status, said) = top.end();
    assert_eq!(status.code(), Some(0), "{said}");
}
