//! `/histograms` and `/metrics`: what was recorded and counted, in the formats of their tools.

use std::time::Duration;

use axum::{
    Json,
    body::Body,
    extract::{Path, Query, State, rejection::QueryRejection},
    http::{
        HeaderMap, HeaderValue, Method, StatusCode,
        header::{CONTENT_TYPE, WARNING},
    },
    response::{IntoResponse, Response},
};
use serde_json::{Map, Value, json};

use super::{
    Source,
    question::{Format, Question, Wrong},
    routes::{Shared, ask},
};
use crate::{
    limits::FIGURES_AGE_MAX,
    telemetry::{Figures, GroupKey, Latency, Metric, Selection, dump, incumbent, prometheus},
};

type Asked = Result<Query<Vec<(String, String)>>, QueryRejection>;

const TEXT: &str = "text/plain; charset=utf-8";

pub(super) async fn all(State(source): State<Shared>, method: Method, asked: Asked) -> Response {
    answer(source, read(&method, asked), None).await
}

pub(super) async fn one(
    State(source): State<Shared>,
    Path(name): Path<String>,
    method: Method,
    asked: Asked,
) -> Response {
    let Some(metric) = Metric::from_name(&name) else {
        let names = Metric::ALL.map(Metric::name);
        let body = json!({ "error": "there is no such histogram", "histograms": names });
        return (StatusCode::NOT_FOUND, Json(body)).into_response();
    };
    answer(source, read(&method, asked), Some(metric)).await
}

pub(super) async fn metrics(State(source): State<Shared>) -> Response {
    ask(source, |source| {
        look(source, FIGURES_AGE_MAX, |figures, problems| {
            let (counters, mut text) = (source.counters(), String::new());
            comment(problems, &mut text);
            counters.prometheus(&mut text);
            let all = figures.latency(&Selection::default());
            all.unwrap_or_default().prometheus(&mut text);
            figures.prometheus(&mut text);
            incumbent::prometheus(figures, &counters, &mut text);
            (warnings(problems, prometheus::CONTENT_TYPE), text).into_response()
        })
    })
    .await
}

fn read(method: &Method, asked: Asked) -> Result<Question, Wrong> {
    let Query(pairs) = asked.map_err(|_| Wrong::bad("the query cannot be understood"))?;
    Question::parse(method == Method::POST, &pairs)
}

async fn answer(
    source: Shared,
    question: Result<Question, Wrong>,
    only: Option<Metric>,
) -> Response {
    let question = match question {
        Ok(question) => question,
        Err(wrong) => return refuse(&wrong),
    };
    ask(source, move |source| {
        // What is forgotten is all there was until now.
        let age_max = if question.reset { Duration::ZERO } else { FIGURES_AGE_MAX };
        look(source, age_max, |figures, problems| {
            write(figures, problems, &question, only).unwrap_or_else(|wrong| refuse(&wrong))
        })
    })
    .await
}

/// Lets `write` see the figures and returns what it made of them.
fn look(
    source: &dyn Source,
    age_max: Duration,
    mut write: impl FnMut(&mut Figures, &[String]) -> Response,
) -> Response {
    let mut answer = None;
    source.figures(age_max, &mut |figures, problems| answer = Some(write(figures, problems)));
    answer.unwrap_or_else(|| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

fn refuse(wrong: &Wrong) -> Response {
    let code = StatusCode::from_u16(wrong.status).unwrap_or(StatusCode::BAD_REQUEST);
    (code, Json(wrong.body.clone())).into_response()
}

/// Writes what is asked for, and then forgets it where that is asked.
fn write(
    figures: &mut Figures,
    problems: &[String],
    question: &Question,
    only: Option<Metric>,
) -> Result<Response, Wrong> {
    let of_services = question.selection.is_of_services();
    let metrics = match only {
        Some(metric) if of_services && !Metric::OF_SERVICES.contains(&metric) => {
            let error = format!("{} is not kept for each service", metric.name());
            return Err(Wrong::not_one_of(error, json!(Metric::OF_SERVICES.map(Metric::name))));
        }
        Some(metric) => vec![metric],
        None if of_services => Metric::OF_SERVICES.to_vec(),
        None => Metric::ALL.to_vec(),
    };
    let latency = figures.latency(&question.selection);
    let latency = latency.ok_or_else(|| unknown(figures, &question.selection))?;
    let default = if only.is_some() { Format::Text } else { Format::Json };
    let response = match (question.format.unwrap_or(default), only) {
        (Format::Text, _) => text(&latency, &metrics, problems),
        (Format::Json, None) => summaries(figures, &latency, &metrics, problems),
        (Format::Json, Some(metric)) => details(figures, &latency, metric, (question, problems)),
        (Format::Hgrm, Some(metric)) => {
            let mut out = String::new();
            latency.distribution(metric, &mut out);
            (warnings(problems, TEXT), out).into_response()
        }
        (Format::Hgrm, None) => {
            let error = "hgrm is of one histogram: /histograms/<name>?format=hgrm";
            return Err(Wrong::not_one_of(error, json!(metrics_names(&metrics))));
        }
        (Format::Hlog, _) => interval_log(figures, &latency, &metrics, problems)?,
        (Format::V2, _) => encoded(&latency, &metrics, (only, problems))?,
    };
    if question.reset {
        figures.reset(&metrics);
    }
    Ok(response)
}

fn metrics_names(metrics: &[Metric]) -> Vec<&'static str> {
    metrics.iter().map(|metric| metric.name()).collect()
}

fn unknown(figures: &Figures, wanted: &Selection) -> Wrong {
    if wanted.worker.is_some() {
        let workers: Vec<usize> = (0..figures.workers()).collect();
        return Wrong::not_one_of("there is no such worker", json!(workers));
    }
    let body = json!({
        "error": "nothing is known of such a service; what was not used for an hour is forgotten",
        "services": services(figures),
    });
    Wrong { status: 404, body }
}

fn services(figures: &Figures) -> Value {
    figures.services().map(|(key, _)| name_of(key)).collect()
}

fn name_of(GroupKey { subaccount, service }: &GroupKey) -> Value {
    json!({ "subaccount": subaccount, "service": service })
}

fn text(latency: &Latency, metrics: &[Metric], problems: &[String]) -> Response {
    let mut text = String::new();
    comment(problems, &mut text);
    for metric in metrics {
        latency.percentile_text(*metric, &mut text);
    }
    (warnings(problems, TEXT), text).into_response()
}

fn summaries(
    figures: &Figures,
    latency: &Latency,
    metrics: &[Metric],
    problems: &[String],
) -> Response {
    let summaries: Map<String, Value> = metrics
        .iter()
        .map(|metric| (metric.name().to_owned(), json!(latency.summary(*metric))))
        .collect();
    let services = services(figures);
    Json(json!({ "histograms": summaries, "services": services, "problems": problems }))
        .into_response()
}

fn details(
    figures: &Figures,
    latency: &Latency,
    metric: Metric,
    (question, problems): (&Question, &[String]),
) -> Response {
    let mut told = dump::percentiles(latency, metric);
    let Selection { subaccount, service, worker } = &question.selection;
    told["histogram"] = json!(metric.name());
    told["help"] = json!(metric.help());
    told["seconds"] = json!(figures.since(metric).1.as_secs_f64());
    told["subaccount"] = json!(subaccount);
    told["service"] = json!(service);
    told["worker"] = json!(worker);
    told["problems"] = json!(problems);
    Json(told).into_response()
}

fn interval_log(
    figures: &Figures,
    latency: &Latency,
    metrics: &[Metric],
    problems: &[String],
) -> Result<Response, Wrong> {
    let recorded: Vec<_> = metrics.iter().map(|metric| latency.recorded(*metric)).collect();
    let lines = metrics.iter().zip(&recorded);
    let lines = lines.map(|(metric, recorded)| (*metric, recorded, figures.since(*metric)));
    let comments = problems.iter().map(|problem| format!("problem: {}", one_line(problem)));
    let log = dump::interval_log(comments, lines).map_err(failed)?;
    Ok((warnings(problems, TEXT), Body::from(log)).into_response())
}

fn encoded(
    latency: &Latency,
    metrics: &[Metric],
    (only, problems): (Option<Metric>, &[String]),
) -> Result<Response, Wrong> {
    let mut out = String::new();
    for metric in metrics {
        if only.is_none() {
            out.push_str(metric.name());
            out.push(' ');
        }
        out.push_str(&dump::v2(&latency.recorded(*metric)).map_err(failed)?);
        out.push('\n');
    }
    Ok((warnings(problems, TEXT), out).into_response())
}

fn failed(error: String) -> Wrong {
    Wrong { status: 500, body: json!({ "error": error }) }
}

fn comment(problems: &[String], text: &mut String) {
    for problem in problems {
        text.push_str(&format!("# problem: {}\n", one_line(problem)));
    }
}

fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}

/// Headers of a text answer; a program that skips comments still learns that it is partial.
fn warnings(problems: &[String], content_type: &'static str) -> HeaderMap {
    let mut headers = HeaderMap::new();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if !problems.is_empty() {
        const PARTIAL: HeaderValue =
            HeaderValue::from_static("199 causeway \"partial: some workers did not answer\"");
        headers.insert(WARNING, PARTIAL);
    }
    headers
}
