//! Judges what was observed: can io_uring be used, and if not, why and what to do. Pure.

use super::{
    host::{Surroundings, kernel_version},
    observe::Observed,
};
use crate::{engine::exhausted, limits};

/// The judgement about one thing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) ok: bool,
    pub(super) found: String,
    pub(super) fix: Option<String>,
}

impl Verdict {
    fn good(found: String) -> Self {
        Self { ok: true, found, fix: None }
    }

    fn bad(found: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { ok: false, found: found.into(), fix: Some(fix.into()) }
    }
}

/// Can io_uring be used here?
pub(super) fn ring(seen: &Observed) -> Verdict {
    match seen.setup {
        Err(errno) => setup_refused(errno, seen),
        Ok(_) if !seen.missing.is_empty() => Verdict::bad(
            format!("kernel {} lacks {}", seen.kernel, seen.missing.join(", ")),
            "use kernel 5.19 or newer, and allow io_uring_register in seccomp profiles",
        ),
        Ok(flags) => match &seen.self_test {
            Some(Err(reason)) => Verdict::bad(
                format!("a ring can be made but an echo through it failed: {reason}"),
                "check SELinux or AppArmor denials (`ausearch -m avc -ts recent`, `dmesg`) and \
                 that seccomp allows io_uring_enter and io_uring_register",
            ),
            Some(Ok(())) | None => {
                Verdict::good(format!("kernel {}, setup flags {flags}", seen.kernel))
            }
        },
    }
}

fn setup_refused(errno: i32, seen: &Observed) -> Verdict {
    let denied = errno == libc::EPERM || errno == libc::EACCES;
    let filtered = seen.status.seccomp == Some(2);
    let in_group = seen.group.is_some_and(|group| seen.status.groups.contains(&group));
    match (errno, seen.disabled) {
        (_, Some(2)) if denied => Verdict::bad(
            "io_uring is disabled on this host (kernel.io_uring_disabled=2)",
            "sysctl -w kernel.io_uring_disabled=0 (on the host, by its administrator)",
        ),
        (_, Some(1)) if denied && !seen.status.sys_admin && !in_group => {
            only_for_a_group(seen.group)
        }
        (libc::EPERM | libc::EACCES | libc::ENOSYS, _) if filtered => seccomp(seen.surroundings),
        (libc::ENOSYS, _) => Verdict::bad(
            format!("kernel {} has no io_uring (built without it, or gVisor)", seen.kernel),
            "use a kernel with CONFIG_IO_URING=y, version 5.19 or newer",
        ),
        (libc::ENOMEM, _) => out_of_memory(seen),
        (libc::EINVAL, _) => Verdict::bad(
            format!("kernel {} rejects every ring setup we know", seen.kernel),
            "use kernel 5.19 or newer",
        ),
        (libc::EMFILE | libc::ENFILE, _) => Verdict::bad(
            "no file descriptor is left for a ring",
            "raise the limit of open files: `ulimit -n`, systemd LimitNOFILE=, docker --ulimit \
             nofile=",
        ),
        _ if denied => Verdict::bad(
            "the kernel denies io_uring_setup and neither seccomp nor kernel.io_uring_disabled \
             explains it: a security module does",
            "check SELinux or AppArmor denials: `ausearch -m avc -ts recent`, `dmesg`",
        ),
        _ => Verdict::bad(
            format!("io_uring_setup fails with {}", std::io::Error::from_raw_os_error(errno)),
            "run `causeway doctor` on the host itself and compare",
        ),
    }
}

fn only_for_a_group(group: Option<i64>) -> Verdict {
    let found = "io_uring is restricted on this host (kernel.io_uring_disabled=1)";
    match group {
        Some(group) if group >= 0 => Verdict::bad(
            format!("{found} to group {group}, and this process is not in it"),
            format!(
                "run the process with group {group} (systemd SupplementaryGroups={group}, \
                 kubernetes securityContext.supplementalGroups: [{group}], docker --group-add \
                 {group})"
            ),
        ),
        _ => Verdict::bad(
            format!("{found} to CAP_SYS_ADMIN, because kernel.io_uring_group is not set"),
            "sysctl -w kernel.io_uring_group=<gid> and run the process with that group, or \
             sysctl -w kernel.io_uring_disabled=0 (on the host, by its administrator)",
        ),
    }
}

fn seccomp(surroundings: Surroundings) -> Verdict {
    const CALLS: &str = "io_uring_setup, io_uring_enter and io_uring_register";
    let (whose, fix) = match surroundings {
        Surroundings::Docker => (
            "the container's seccomp profile",
            format!("docker run --security-opt seccomp=<docker's default profile plus {CALLS}>"),
        ),
        Surroundings::Podman => (
            "the container's seccomp profile",
            format!("podman run --security-opt seccomp=<podman's default profile plus {CALLS}>"),
        ),
        Surroundings::Kubernetes => (
            "the container's seccomp profile",
            format!(
                "securityContext: {{seccompProfile: {{type: Localhost, localhostProfile: \
                 causeway.json}}}} with, on the nodes, the runtime's default profile plus {CALLS} \
                 as /var/lib/kubelet/seccomp/causeway.json"
            ),
        ),
        Surroundings::Container => (
            "the container's seccomp profile",
            format!("allow {CALLS} in the container runtime's seccomp profile"),
        ),
        Surroundings::Systemd => (
            "the unit's SystemCallFilter=",
            "add `SystemCallFilter=@aio` after the existing SystemCallFilter= lines of the unit, \
             then systemctl daemon-reload and restart it"
                .to_owned(),
        ),
        Surroundings::Host => (
            "a seccomp filter of whatever started this process",
            format!("allow {CALLS} in that filter"),
        ),
    };
    Verdict::bad(format!("io_uring is blocked by {whose}"), fix)
}

fn out_of_memory(seen: &Observed) -> Verdict {
    if kernel_version(&seen.kernel).is_some_and(|version| version < (5, 12)) {
        Verdict::bad(
            format!(
                "kernel {} charges rings to RLIMIT_MEMLOCK, which is {} KiB here",
                seen.kernel,
                seen.memlock / 1024
            ),
            "raise it (`ulimit -l`, systemd LimitMEMLOCK=, docker --ulimit memlock=), or use \
             kernel 5.19 or newer",
        )
    } else {
        Verdict::bad(
            "no memory for a ring (less than 1 MiB is needed)",
            "raise the memory limit of the container or cgroup",
        )
    }
}

/// Does RLIMIT_MEMLOCK have room for `want` bytes of registered buffers?
pub(super) fn memlock(seen: &Observed, want: u64) -> Verdict {
    let want_kib = want / 1024;
    if seen.status.ipc_lock {
        return Verdict::good(format!("{want_kib} KiB wanted, unlimited by CAP_IPC_LOCK"));
    }
    if seen.memlock == u64::MAX {
        return Verdict::good(format!("{want_kib} KiB wanted, unlimited"));
    }
    let have_kib = seen.memlock / 1024;
    if seen.memlock >= want {
        // The kernel does not tell how much the uid's other processes have pinned.
        return Verdict::good(format!("{want_kib} KiB wanted, {have_kib} KiB allowed per uid"));
    }
    let fix = match seen.surroundings {
        Surroundings::Systemd => format!("LimitMEMLOCK={want_kib}K in the unit"),
        Surroundings::Docker | Surroundings::Podman => format!("--ulimit memlock={want}:{want}"),
        Surroundings::Kubernetes | Surroundings::Container => format!(
            "raise the container runtime's limit to {want_kib} KiB (LimitMEMLOCK= of its service)"
        ),
        Surroundings::Host => format!("ulimit -l {want_kib}"),
    };
    let found = format!("{want_kib} KiB wanted for registered buffers, {have_kib} KiB allowed");
    Verdict::bad(found, fix)
}

/// Are there enough file descriptors for a busy worker's sessions?
pub(super) fn open_files(soft: u64, hard: u64, sessions_max: u64) -> Verdict {
    // Two descriptors a stream.
    let streams = exhausted::left_to_traffic(hard) / 2;
    let found = format!("{soft} now, raised to {hard} at start: about {streams} streams");
    if streams >= sessions_max {
        Verdict::good(found)
    } else {
        let want = sessions_max * 2 + limits::DESCRIPTORS_RESERVED as u64;
        Verdict::bad(
            found,
            format!("ulimit -Hn {want}, systemd LimitNOFILE={want}, docker --ulimit nofile={want}"),
        )
    }
}
