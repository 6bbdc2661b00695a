//! How the files are served: to everybody, as they hold no secret, and such that a browser does
//! nothing with them that they do not ask for.

use axum::{
    Router,
    extract::{Path, rejection::PathRejection},
    http::{
        HeaderMap, HeaderName, HeaderValue, StatusCode,
        header::{
            ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH,
            REFERRER_POLICY, VARY,
        },
    },
    response::{IntoResponse, Response},
    routing::get,
};

use super::assets::{Asset, named};
use crate::management::Failure;

/// What the page may do: run our own files and talk to us. Inline scripts and styles are none.
pub const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; \
                          img-src 'self' data:; connect-src 'self'; form-action 'none'; \
                          base-uri 'none'; frame-ancestors 'none'";

/// `/` and `/assets/<name>`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    Router::new().route("/", get(index)).route("/assets/{name}", get(asset))
}

async fn index(headers: HeaderMap) -> Result<Response, Failure> {
    answer("index.html", &headers)
}

async fn asset(
    name: Result<Path<String>, PathRejection>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let Path(name) = name.map_err(|error| Failure::invalid(error.body_text()))?;
    answer(&name, &headers)
}

fn answer(name: &str, headers: &HeaderMap) -> Result<Response, Failure> {
    let unknown = || Failure::unknown(format!("there is no /assets/{}", name.escape_debug()));
    let asset = named(name).ok_or_else(unknown)?;
    let gzip = takes_gzip(headers);
    // Other bytes, another tag.
    let tag = match gzip {
        true => format!("\"{}-gzip\"", asset.tag()),
        false => format!("\"{}\"", asset.tag()),
    };
    let mut response = match knows(headers, &tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => whole(asset, gzip),
    };
    let mut say = |name: HeaderName, value: HeaderValue| {
        response.headers_mut().insert(name, value);
    };
    say(VARY, HeaderValue::from_static("Accept-Encoding"));
    say(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    // It is kept and asked for again each time: another version of the program has another page.
    say(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    say(ETAG, HeaderValue::from_str(&tag).map_err(|_| Failure::failed("an odd tag"))?);
    Ok(response)
}

fn whole(asset: &'static Asset, gzip: bool) -> Response {
    let kind = (CONTENT_TYPE, asset.content_type());
    match gzip {
        true => ([kind, (CONTENT_ENCODING, "gzip")], asset.gzipped()).into_response(),
        false => ([kind], asset.plain).into_response(),
    }
}

/// Whether a browser has the answer already (RFC 9110 §13.1.2).
fn knows(headers: &HeaderMap, tag: &str) -> bool {
    members(headers, &IF_NONE_MATCH)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == tag)
}

/// Whether it names gzip, with a weight that is not zero (RFC 9110 §12.5.3).
fn takes_gzip(headers: &HeaderMap) -> bool {
    members(headers, &ACCEPT_ENCODING).any(|member| {
        let (coding, weight) = member.split_once(';').unwrap_or((member, ""));
        let weight = weight.trim().strip_prefix("q=").and_then(|weight| weight.parse().ok());
        coding.trim().eq_ignore_ascii_case("gzip") && weight.unwrap_or(1.0_f32) > 0.0
    })
}

/// The members of a header that is a list.
fn members<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h str> {
    let texts = headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    texts.flat_map(|text| text.split(',')).map(str::trim)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gzip_is_taken_where_it_is_named_and_wanted() {
        let takes = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(ACCEPT_ENCODING, HeaderValue::from_str(text).unwrap());
            takes_gzip(&headers)
        };
        for text in ["gzip", "br, GZIP", "deflate,gzip;q=0.1", "gzip; q=1"] {
            assert!(takes(text), "{text}");
        }
        for text in ["", "br", "gzip;q=0", "gzip; q=0.000", "x-gzip", "identity"] {
            assert!(!takes(text), "{text}");
        }
        assert!(!takes_gzip(&HeaderMap::new()));
    }

    #[test]
    fn a_tag_is_known_where_it_is_in_the_list() {
        let known = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(IF_NONE_MATCH, HeaderValue::from_str(text).unwrap());
            knows(&headers, "\"ab-gzip\"")
        };
        for text in ["\"ab-gzip\"", "\"x\", \"ab-gzip\"", "W/\"ab-gzip\"", "*"] {
            assert!(known(text), "{text}");
        }
        for text in ["\"ab\"", "ab-gzip", "\"\"", ""] {
            assert!(!known(text), "{text}");
        }
    }
}
