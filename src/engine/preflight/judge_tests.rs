//! Every case of the judgement that one machine cannot show.

use super::{
    host::{Status, Surroundings},
    judge::{Verdict, memlock, open_files, ring},
    observe::Observed,
};

const KIB: u64 = 1024;

fn working() -> Observed {
    Observed {
        setup: Ok("single_issuer,coop_taskrun"),
        missing: vec![],
        self_test: Some(Ok(())),
        disabled: Some(0),
        group: Some(-1),
        status: Status { seccomp: Some(0), groups: vec![1000], ..Status::default() },
        kernel: "6.8.0".to_owned(),
        surroundings: Surroundings::Host,
        memlock: 8192 * KIB,
    }
}

fn refused(errno: i32) -> Observed {
    Observed { setup: Err(errno), self_test: None, ..working() }
}

fn filtered(errno: i32, surroundings: Surroundings) -> Observed {
    let status = Status { seccomp: Some(2), ..Status::default() };
    Observed { status, surroundings, ..refused(errno) }
}

#[track_caller]
fn says(verdict: &Verdict, found: &str, fix: &str) {
    assert!(!verdict.ok);
    assert!(verdict.found.contains(found), "{verdict:?}");
    assert!(verdict.fix.as_ref().is_some_and(|text| text.contains(fix)), "{verdict:?}");
}

#[test]
fn a_working_ring_names_kernel_and_flags() {
    let verdict = ring(&working());
    assert!(verdict.ok && verdict.fix.is_none());
    assert_eq!(verdict.found, "kernel 6.8.0, setup flags single_issuer,coop_taskrun");
}

#[test]
fn a_host_that_disables_io_uring_names_its_switch() {
    let seen = Observed { disabled: Some(2), ..refused(libc::EPERM) };
    says(&ring(&seen), "kernel.io_uring_disabled=2", "sysctl -w kernel.io_uring_disabled=0");
    // The host's switch comes first: opening the profile alone would not help.
    let seen = Observed { disabled: Some(2), ..filtered(libc::EPERM, Surroundings::Docker) };
    says(&ring(&seen), "kernel.io_uring_disabled=2", "sysctl");
}

#[test]
fn a_host_that_reserves_io_uring_for_a_group_names_the_group() {
    let seen = Observed { disabled: Some(1), group: Some(977), ..refused(libc::EPERM) };
    says(&ring(&seen), "to group 977", "SupplementaryGroups=977");
    let seen = Observed { disabled: Some(1), ..refused(libc::EPERM) };
    says(&ring(&seen), "kernel.io_uring_group is not set", "sysctl -w kernel.io_uring_group=");
}

#[test]
fn a_member_of_the_group_that_is_still_denied_looks_at_seccomp() {
    let mut seen = filtered(libc::EPERM, Surroundings::Docker);
    seen.disabled = Some(1);
    seen.group = Some(977);
    seen.status.groups = vec![977];
    says(&ring(&seen), "seccomp profile", "docker run --security-opt seccomp=");
}

#[test]
fn a_seccomp_filter_is_named_with_the_fix_for_its_owner() {
    for errno in [libc::EPERM, libc::ENOSYS, libc::EACCES] {
        for (surroundings, fix) in [
            (Surroundings::Docker, "docker run --security-opt"),
            (Surroundings::Podman, "podman run --security-opt"),
            (Surroundings::Kubernetes, "seccompProfile: {type: Localhost"),
            (Surroundings::Container, "io_uring_setup, io_uring_enter and io_uring_register"),
            (Surroundings::Systemd, "SystemCallFilter=@aio"),
            (Surroundings::Host, "allow io_uring_setup"),
        ] {
            says(&ring(&filtered(errno, surroundings)), "blocked by", fix);
        }
    }
    // Kernels without the switch say the same.
    let seen = Observed { disabled: None, ..filtered(libc::EPERM, Surroundings::Docker) };
    says(&ring(&seen), "blocked by", "docker");
}

#[test]
fn a_kernel_without_io_uring_is_named() {
    says(&ring(&refused(libc::ENOSYS)), "has no io_uring", "CONFIG_IO_URING=y");
}

#[test]
fn a_denial_nothing_else_explains_points_to_the_security_module() {
    says(&ring(&refused(libc::EPERM)), "security module", "ausearch");
    says(&ring(&refused(libc::EACCES)), "security module", "ausearch");
}

#[test]
fn no_memory_means_memlock_on_old_kernels_and_the_cgroup_on_new_ones() {
    let old =
        Observed { kernel: "5.4.0-150".to_owned(), memlock: 64 * KIB, ..refused(libc::ENOMEM) };
    says(&ring(&old), "RLIMIT_MEMLOCK, which is 64 KiB", "ulimit -l");
    says(&ring(&refused(libc::ENOMEM)), "no memory", "memory limit");
}

#[test]
fn other_refusals_are_told_as_they_are() {
    says(&ring(&refused(libc::EINVAL)), "rejects every ring setup", "5.19");
    says(&ring(&refused(libc::EMFILE)), "no file descriptor", "ulimit -n");
    says(&ring(&refused(libc::EIO)), "io_uring_setup fails with", "causeway doctor");
}

#[test]
fn missing_operations_and_a_failed_echo_rule_io_uring_out() {
    let seen = Observed { missing: vec!["SEND", "RECV"], self_test: None, ..working() };
    says(&ring(&seen), "lacks SEND, RECV", "5.19");
    let seen = Observed { self_test: Some(Err("no echo within 1 s".to_owned())), ..working() };
    says(&ring(&seen), "no echo within 1 s", "io_uring_enter");
}

#[test]
fn locked_memory_that_suffices_needs_nothing() {
    assert!(memlock(&working(), 3072 * KIB).ok);
    let unlimited = Observed { memlock: u64::MAX, ..working() };
    assert!(memlock(&unlimited, u64::MAX).ok);
    let mut privileged = Observed { memlock: 0, ..working() };
    privileged.status.ipc_lock = true;
    assert!(memlock(&privileged, 1 << 40).ok);
}

#[test]
fn too_little_locked_memory_says_how_to_raise_it() {
    for (surroundings, fix) in [
        (Surroundings::Host, "ulimit -l 3072"),
        (Surroundings::Systemd, "LimitMEMLOCK=3072K"),
        (Surroundings::Docker, "--ulimit memlock=3145728:3145728"),
        (Surroundings::Podman, "--ulimit memlock=3145728:3145728"),
        (Surroundings::Kubernetes, "container runtime's limit to 3072 KiB"),
    ] {
        let seen = Observed { memlock: 64 * KIB, surroundings, ..working() };
        says(&memlock(&seen, 3072 * KIB), "3072 KiB wanted", fix);
    }
}

#[test]
fn few_open_files_are_told_in_streams() {
    assert!(open_files(1024, 1 << 20, 65_536).ok);
    says(&open_files(1024, 4096, 65_536), "about 2016 streams", "LimitNOFILE=131136");
}
