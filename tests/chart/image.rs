//! The image's recipe. No registry can be reached from the checks, so it is read, not built; what
//! it runs is what `.ci/run` builds.

use std::fs;

use crate::suite::{Suite, root};

pub fn add(suite: &mut Suite) {
    suite.plain("the_dockerfile_is_sound", sound);
    suite.plain("the_image_leaves_nothing_out_that_a_build_needs", context);
}

fn dockerfile() -> Vec<(String, String)> {
    let text = fs::read_to_string(root().join("config/Dockerfile")).unwrap();
    let joined = text.replace("\\\n", " ");
    let lines = joined.lines().map(str::trim).filter(|line| !line.is_empty());
    lines
        .filter(|line| !line.starts_with('#'))
        .map(|line| {
            let (word, rest) = line.split_once(' ').unwrap_or_else(|| panic!("{line:?}"));
            (word.to_owned(), rest.trim().to_owned())
        })
        .collect()
}

fn sound() {
    let steps = dockerfile();
    let of = |word: &str| -> Vec<&str> {
        steps.iter().filter(|step| step.0 == word).map(|step| &*step.1).collect()
    };
    const WORDS: [&str; 8] =
        ["ARG", "FROM", "WORKDIR", "COPY", "RUN", "USER", "ENTRYPOINT", "LABEL"];
    for (word, rest) in &steps {
        assert!(WORDS.contains(&&**word), "{word} {rest}");
    }
    let stages = of("FROM");
    assert_eq!(stages.len(), 2, "one to build, one to run: {stages:?}");
    assert!(stages[0].contains(" AS "), "{stages:?}");
    assert_eq!(stages[1], "scratch", "nothing but the program is in the image");
    let last = steps.iter().rposition(|step| step.0 == "FROM").unwrap();
    let run_stage = &steps[last..];
    assert!(run_stage.iter().all(|step| step.0 != "RUN"), "there is no shell to run anything");
    // Numbers, because scratch has no names, and because runAsNonRoot must see that it is not 0.
    assert_eq!(of("USER"), ["65532:65532"]);
    assert_eq!(of("ENTRYPOINT"), ["[\"/causeway\"]"]);
    assert!(run_stage.iter().any(|step| step.0 == "COPY" && step.1.contains("LICENSE")));
    let version = env!("CARGO_PKG_RUST_VERSION");
    let arguments = of("ARG");
    assert!(arguments.contains(&&*format!("RUST={version}")), "{arguments:?} is not {version}");
}

/// The second stage builds from what `COPY` brings: every member of the workspace must be there.
fn context() {
    let steps = dockerfile();
    let copied: Vec<&str> = steps
        .iter()
        .filter(|step| step.0 == "COPY" && !step.1.starts_with("--from"))
        .flat_map(|step| step.1.split_whitespace())
        .collect();
    for needed in ["Cargo.toml", "Cargo.lock", "src", "benches", "loadtest"] {
        assert!(copied.contains(&needed), "{needed} is not copied: {copied:?}");
    }
}
