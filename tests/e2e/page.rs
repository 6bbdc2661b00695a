//! The page of a connector, used in a real browser as operators use it: `tests/browser/page.mjs`
//! does and checks the steps, with a real connector, proxy and service behind them.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use causeway::engine::Kind;
use serde_json::json;

use crate::support::{
    ClientFiles, HOST, HeldPort, Managed, REGION, Service, Suite, World, run_for,
};

pub fn add(suite: &mut Suite) {
    suite.both_where("an_operator_makes_a_channel_on_the_page", &can_run(), walk);
}

const SUBACCOUNT: &str = "6a8e0fd5-32a4-4f1c-9d7e-0c2b7a3b1e55";
/// Each step has a deadline of its own; this is for all of them together.
const WALK_SECONDS: u64 = 480;
/// How many first paints are measured beside those of a page of a few words; none unless it is set.
const PAINTS: &str = "CAUSEWAY_PAINTS";
/// A pair of them starts two browsers.
const PAIR_SECONDS: u64 = 60;

/// What the check of accessibility is: a file of the package axe-core.
fn axe() -> PathBuf {
    let home = || Path::new(&env::var_os("HOME").unwrap_or_default()).join(".cache");
    env::var_os("CAUSEWAY_AXE").map_or_else(
        || home().join("causeway-browser/node_modules/axe-core/axe.min.js"),
        PathBuf::from,
    )
}

fn can_run() -> Result<(), String> {
    for (program, word) in [
        ("node", "--version"),
        ("chromium", "--version"),
        ("chromedriver", "--version"),
        ("openssl", "version"),
    ] {
        let mut command = Command::new(program);
        command.arg(word).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        if !command.status().is_ok_and(|status| status.success()) {
            return Err(format!(
                "{program} cannot be run; install Debian's nodejs, chromium, chromium-driver and \
                 openssl"
            ));
        }
    }
    let axe = axe();
    match axe.is_file() {
        true => Ok(()),
        false => Err(format!(
            "{} is missing; npm install --prefix ~/.cache/causeway-browser axe-core",
            axe.display()
        )),
    }
}

fn walk(kind: Kind) {
    let service = Service::http("all is well");
    let mut world = World::new(kind);
    world.map(SUBACCOUNT, "echoserver", &service.address.to_string(), None);
    world.start_proxy("");
    let mut managed = Managed::start(&world, "");
    let ClientFiles { certificate, private_key } = world.client(SUBACCOUNT, None);
    let held = HeldPort::new();
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // Pictures of every view, for people to look at.
    let output = root.join(format!("target/browser/{kind}"));
    let pairs = env::var(PAINTS).map_or(0, |text| text.parse().unwrap());
    let parameters = json!({
        "base": format!("https://{}", managed.admin),
        "setup": managed.token(),
        "regionHost": REGION,
        "subaccount": SUBACCOUNT,
        "certificate": certificate,
        "privateKey": private_key,
        "ca": world.path("ca.crt"),
        "caKey": world.path("ca.key"),
        "endpoint": format!("tcp://{HOST}:{}/echoserver", world.proxy_address().port()),
        "port": held.address.port(),
        "target": "/test",
        "host": "echoserver.test",
        "output": output,
        "axe": axe(),
        "paints": pairs,
        "page": { "certificate": managed.certificate, "privateKey": world.path("state/ui.key") },
    });
    let file = world.path("parameters.json");
    fs::write(&file, parameters.to_string()).unwrap();
    let script = root.join("tests/browser/page.mjs").display().to_string();
    let seconds = WALK_SECONDS + PAIR_SECONDS * pairs;
    let finished = run_for(seconds, "node", &[&script, &file.display().to_string()], b"");
    let said = finished.text();
    assert!(finished.status.success(), "{said}\n{}", finished.stderr);
    // One that left something out is none.
    let last = said.lines().last().unwrap_or_default();
    assert!(last.ends_with("checks passed, 0 skipped"), "{said}");
    print!("{said}");
}
