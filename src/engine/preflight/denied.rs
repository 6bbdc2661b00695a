//! The preflight against a real denial: a process of its own whose seccomp filter refuses
//! io_uring_setup, as container runtimes do.

#![allow(unsafe_code)]

use std::process::Command;

use super::{Chosen, Wanted, choose, examine};
use crate::engine::Kind;

/// Set in the process that denies itself a ring; holds the errno to deny with.
const DENY: &str = "CAUSEWAY_TEST_DENY_RING";

#[test]
fn a_seccomp_filter_makes_auto_fall_back_and_a_demand_fail_with_the_same_words() {
    for errno in [libc::EPERM, libc::ENOSYS] {
        let program = std::env::current_exe().unwrap();
        let name = "engine::preflight::denied::in_a_process_without_rings";
        let output = Command::new(program)
            .args(["--exact", name, "--nocapture"])
            .env(DENY, errno.to_string())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && text.contains("1 passed"), "{text}{errors}");
        assert!(text.contains("denied as expected"), "{text}{errors}");
    }
}

/// Does nothing unless the test above runs it.
#[test]
fn in_a_process_without_rings() {
    let Some(errno) = std::env::var(DENY).ok().and_then(|errno| errno.parse().ok()) else {
        return;
    };
    deny_rings(errno);
    let Chosen { kind, line } = choose(Wanted::Auto, 2).unwrap();
    assert_eq!(kind, Kind::Epoll);
    assert!(line.contains("io_uring is blocked by"), "{line}");
    let refusal = choose(Wanted::IoUring, 2).unwrap_err();
    let shared = line.strip_prefix("engine=epoll: ").unwrap();
    let shared = shared.split(" Until then").next().unwrap();
    assert!(refusal.ends_with(shared), "{refusal}\n{line}");
    assert_eq!(choose(Wanted::Epoll, 2).unwrap().kind, Kind::Epoll);
    let ring = examine(2).findings.remove(0);
    assert!(!ring.ok && ring.fix.is_some() && ring.consequence.is_some(), "{ring:?}");
    println!("denied as expected");
}

fn deny_rings(errno: u32) {
    const LOAD_WORD: u32 = libc::BPF_LD | libc::BPF_W | libc::BPF_ABS;
    const JUMP_EQUAL: u32 = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
    const RETURN: u32 = libc::BPF_RET | libc::BPF_K;
    let step = |code: u32, jt: u8, jf: u8, k: u32| libc::sock_filter {
        code: u16::try_from(code).unwrap(),
        jt,
        jf,
        k,
    };
    let setup = u32::try_from(libc::SYS_io_uring_setup).unwrap();
    let mut steps = [
        // The system call's number is the first word of what a filter sees.
        step(LOAD_WORD, 0, 0, 0),
        step(JUMP_EQUAL, 0, 1, setup),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ERRNO | errno),
        step(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
    // SAFETY: takes no pointer.
    let status = unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) };
    assert_eq!(status, 0);
    // SAFETY: the kernel copies `program` and the four steps it points to, which both live here.
    let status = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_TSYNC,
            &raw const program,
        )
    };
    assert_eq!(status, 0, "{}", std::io::Error::last_os_error());
}
