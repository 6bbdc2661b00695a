//! The seccomp profile allows what the program does, and not much else: the demo runs under it, on
//! either engine. `apply_profile.py` loads it as a container runtime would.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use causeway::engine::preflight;
use serde_json::Value;

use crate::{
    helm::at,
    suite::{Suite, root, runs},
};

pub fn add(suite: &mut Suite) {
    suite.plain("the_profile_allows_no_dangerous_call", narrow);
    let there = can_filter();
    if !there {
        eprintln!(
            "SKIPPED: the demo under the seccomp profile, not counted as passed: python3-seccomp \
             is not installed"
        );
    }
    let uring = preflight::choose(preflight::Wanted::IoUring, 1).is_ok();
    suite.when(there && uring, "the_demo_runs_on_io_uring_under_the_profile", || {
        demo("io_uring", &[]);
    });
    suite.when(there, "the_demo_runs_on_epoll_under_the_profile", || demo("epoll", &[]));
    suite.when(there, "without_io_uring_in_the_profile_the_demo_runs_on_epoll", || {
        demo("auto", &["io_uring_setup", "io_uring_enter", "io_uring_register"]);
    });
    suite.when(there, "a_call_outside_the_profile_fails", outside);
}

/// Whether a program can be run under a filter here.
pub fn can_filter() -> bool {
    runs(PYTHON, &["-c", "import seccomp"])
}

/// Debian's, whose package has the module; another one in `$PATH` may not.
const PYTHON: &str = "/usr/bin/python3";

fn profile() -> PathBuf {
    root().join("config/seccomp/causeway.json")
}

fn allowed() -> BTreeSet<String> {
    let profile: Value = serde_json::from_str(&fs::read_to_string(profile()).unwrap()).unwrap();
    assert_eq!(profile["defaultAction"], "SCMP_ACT_ERRNO");
    let groups = at(&profile, "/syscalls").as_array().unwrap();
    let mut names = BTreeSet::new();
    for group in groups.iter().filter(|group| group["action"] != "SCMP_ACT_ERRNO") {
        assert_eq!(group["action"], "SCMP_ACT_ALLOW");
        for name in at(group, "/names").as_array().unwrap() {
            assert!(names.insert(name.as_str().unwrap().to_owned()), "{name} twice");
        }
    }
    names
}

fn narrow() {
    let allowed = allowed();
    for call in ["io_uring_setup", "io_uring_enter", "io_uring_register"] {
        assert!(allowed.contains(call), "{call} is what the profile is for");
    }
    for call in [
        "ptrace",
        "mount",
        "umount2",
        "bpf",
        "perf_event_open",
        "keyctl",
        "add_key",
        "init_module",
        "finit_module",
        "kexec_load",
        "setns",
        "unshare",
        "reboot",
        "swapon",
        "userfaultfd",
        "process_vm_readv",
        "process_vm_writev",
        "open_by_handle_at",
        "pivot_root",
        "chroot",
    ] {
        assert!(!allowed.contains(call), "{call} is allowed");
    }
}

/// The program under the profile without some calls.
fn under(without: &[&str], arguments: &[&str]) -> Command {
    under_profile(&profile(), without, arguments)
}

/// A program under a profile without some calls.
pub fn under_profile(profile: &Path, without: &[&str], arguments: &[&str]) -> Command {
    let mut command = Command::new(PYTHON);
    command.arg(root().join("tests/chart/apply_profile.py")).arg(profile);
    command.arg(without.join(",")).args(arguments);
    command
}

fn demo(engine: &str, without: &[&str]) {
    let causeway = env!("CARGO_BIN_EXE_causeway");
    let arguments = [causeway, "demo", "--once", "--port", "0", "--engine", engine];
    let output = under(without, &arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{said}{error}");
    if engine == "auto" {
        assert!(format!("{said}{error}").contains("epoll"), "{said}{error}");
    }
}

/// That the filter filters at all: without this the tests above would pass on any profile.
fn outside() {
    assert!(!allowed().contains("unshare"));
    let output = under(&[], &["/usr/bin/unshare", "--net", "true"]).output().unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && error.contains("not permitted"), "{error}");
}
