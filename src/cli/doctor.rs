//! `causeway doctor`: what this host allows, and what to do where it does not.

use std::process::ExitCode;

use crate::engine::preflight::{self, Finding};

/// Prints one block per finding. Succeeds in any case: without io_uring the epoll engine serves.
pub fn run() -> ExitCode {
    for finding in preflight::examine(0).findings {
        print!("{}", text(&finding));
    }
    ExitCode::SUCCESS
}

fn text(finding: &Finding) -> String {
    let mark = if finding.ok { "ok  " } else { "note" };
    let mut text = format!("{mark} {}: {}\n", finding.name, finding.found);
    if let Some(consequence) = &finding.consequence {
        text.push_str(&format!("     until then: {consequence}\n"));
    }
    if let Some(fix) = &finding.fix {
        text.push_str(&format!("     fix: {fix}\n"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finding_shows_what_was_found_the_consequence_and_the_fix() {
        let finding = Finding {
            name: "io_uring",
            ok: false,
            found: "blocked".to_owned(),
            fix: Some("allow it".to_owned()),
            consequence: Some("epoll serves".to_owned()),
        };
        let expected =
            "note io_uring: blocked\n     until then: epoll serves\n     fix: allow it\n";
        assert_eq!(text(&finding), expected);
    }
}
