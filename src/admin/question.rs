//! What is asked of `/histograms`, read from a query. What is not understood is refused with what
//! would be: a parameter that is silently ignored gives figures of something else.

use serde_json::{Value, json};

use crate::telemetry::Selection;

const PARAMETERS: [&str; 5] = ["format", "subaccount", "service", "worker", "reset"];

/// How histograms are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// Percentile distributions with a line on what each is.
    Text,
    /// Figures and percentiles.
    Json,
    /// One percentile distribution and nothing else: a file for plotters.
    Hgrm,
    /// An interval log.
    Hlog,
    /// The compressed V2 encoding in base64.
    V2,
}

impl Format {
    const ALL: [(Self, &str); 5] = [
        (Self::Text, "text"),
        (Self::Json, "json"),
        (Self::Hgrm, "hgrm"),
        (Self::Hlog, "hlog"),
        (Self::V2, "v2"),
    ];
}

/// Which histograms, how they are written, and whether they begin anew.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Question {
    /// How, where it was said.
    pub(super) format: Option<Format>,
    /// Whose.
    pub(super) selection: Selection,
    /// Whether what is shown is forgotten.
    pub(super) reset: bool,
}

/// A question that is not answered: the status and the body of the refusal.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Wrong {
    pub(super) status: u16,
    pub(super) body: Value,
}

impl Wrong {
    /// A question that makes no sense.
    pub(super) fn bad(error: impl Into<String>) -> Self {
        Self { status: 400, body: json!({ "error": error.into(), "parameters": PARAMETERS }) }
    }

    /// The same with what would make sense.
    pub(super) fn not_one_of(error: impl Into<String>, valid: Value) -> Self {
        Self { status: 400, body: json!({ "error": error.into(), "valid": valid }) }
    }
}

impl Question {
    /// Reads the pairs of a query.
    pub(super) fn parse(is_post: bool, pairs: &[(String, String)]) -> Result<Self, Wrong> {
        let mut question = Self::default();
        for (at, (name, value)) in pairs.iter().enumerate() {
            if pairs[..at].iter().any(|(before, _)| before == name) {
                return Err(Wrong::bad(format!("{name:?} is given twice")));
            }
            match name.as_str() {
                "format" => question.format = Some(format_of(value)?),
                "subaccount" => question.selection.subaccount = Some(value.clone()),
                "service" => question.selection.service = Some(value.clone()),
                "worker" => question.selection.worker = Some(worker_of(value)?),
                "reset" => question.reset = truth_of(value)?,
                _ => return Err(Wrong::bad(format!("there is no parameter {name:?}"))),
            }
        }
        question.check(is_post)?;
        Ok(question)
    }

    fn check(&self, is_post: bool) -> Result<(), Wrong> {
        let of_services = self.selection.is_of_services();
        if self.reset && !is_post {
            return Err(Wrong {
                status: 405,
                body: json!({ "error": "reset=true changes something: use POST" }),
            });
        }
        if is_post && !self.reset {
            return Err(Wrong::bad("a POST is for reset=true; to look, use GET"));
        }
        if of_services && self.selection.worker.is_some() {
            return Err(Wrong::bad(
                "services are not kept apart for each worker: leave out worker, or subaccount \
                 and service",
            ));
        }
        if self.reset && (of_services || self.selection.worker.is_some()) {
            return Err(Wrong::bad(
                "a part cannot be reset: its sum would no longer be that of its parts; leave out \
                 subaccount, service and worker",
            ));
        }
        Ok(())
    }
}

fn format_of(value: &str) -> Result<Format, Wrong> {
    let known = Format::ALL.into_iter().find(|(_, name)| *name == value);
    known.map(|(format, _)| format).ok_or_else(|| {
        let names = Format::ALL.map(|(_, name)| name);
        Wrong::not_one_of(format!("there is no format {value:?}"), json!(names))
    })
}

fn worker_of(value: &str) -> Result<usize, Wrong> {
    value.parse().map_err(|_| Wrong::bad(format!("{value:?} is no number of a worker, from 0")))
}

fn truth_of(value: &str) -> Result<bool, Wrong> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(Wrong::not_one_of(format!("reset cannot be {value:?}"), json!([true, false]))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(is_post: bool, query: &str) -> Result<Question, Wrong> {
        let pairs: Vec<_> = query
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .collect();
        Question::parse(is_post, &pairs)
    }

    #[test]
    fn what_is_asked_is_understood() {
        assert_eq!(parse(false, ""), Ok(Question::default()));
        for (format, name) in Format::ALL {
            assert_eq!(parse(false, &format!("format={name}")).unwrap().format, Some(format));
        }
        let question = parse(false, "subaccount=a&service=x&reset=false").unwrap();
        let selection = question.selection;
        assert_eq!(
            (selection.subaccount.as_deref(), selection.service.as_deref()),
            (Some("a"), Some("x"))
        );
        assert_eq!(parse(false, "worker=3").unwrap().selection.worker, Some(3));
        assert!(parse(true, "reset=true").unwrap().reset);
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_what_would() {
        for (is_post, query, status, word) in [
            (false, "formats=json", 400, "parameters"),
            (false, "format=xml", 400, "hgrm"),
            (false, "format=json&format=v2", 400, "twice"),
            (false, "worker=one", 400, "from 0"),
            (false, "worker=-1", 400, "from 0"),
            (false, "worker=0&service=x", 400, "leave out worker"),
            (false, "reset=yes", 400, "true"),
            (false, "reset=true", 405, "POST"),
            (true, "", 400, "GET"),
            (true, "reset=false", 400, "GET"),
            (true, "reset=true&service=x", 400, "sum"),
            (true, "reset=true&worker=0", 400, "sum"),
        ] {
            let wrong = parse(is_post, query).expect_err(query);
            assert_eq!(wrong.status, status, "{query}");
            assert!(wrong.body.to_string().contains(word), "{query}: {}", wrong.body);
        }
    }
}
