//! What a request says: one JSON object. Numbers and booleans may be strings, as the incumbent's
//! own client sends them. What is not known is refused: a misspelt name would change less than was
//! meant.

use std::{ops::RangeInclusive, str::FromStr};

use axum::{
    body::to_bytes,
    extract::Request,
    http::{HeaderMap, StatusCode, header::CONTENT_LENGTH, header::CONTENT_TYPE},
};
use serde_json::{Map, Value};

use crate::{
    limits::{MANAGED_TEXT_BYTES_MAX, MANAGEMENT_BODY_BYTES_MAX},
    management::Failure,
};

/// The fields of an object that were not taken yet.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads the body of a request.
    pub(super) async fn read(request: Request) -> Result<Self, Failure> {
        Self::read_up_to(request, MANAGEMENT_BODY_BYTES_MAX).await
    }

    /// Reads one of at most so many bytes.
    pub(super) async fn read_up_to(request: Request, bytes_max: usize) -> Result<Self, Failure> {
        has_type(request.headers(), "application/json", "JSON")?;
        fits(request.headers(), bytes_max)?;
        // It ends early as well where the peer goes away, and then nobody hears the answer.
        let bytes = to_bytes(request.into_body(), bytes_max).await;
        Self::of(&bytes.map_err(|_| too_large(bytes_max))?)
    }

    fn of(bytes: &[u8]) -> Result<Self, Failure> {
        match serde_json::from_slice(bytes) {
            Ok(Value::Object(fields)) => Ok(Self(fields)),
            Ok(_) => Err(Failure::invalid("the body has to be one JSON object")),
            Err(error) => Err(Failure::invalid(format!("the body is no JSON: {error}"))),
        }
    }

    /// Reads a body that is one yes or no.
    pub(super) async fn flag_alone(request: Request, name: &str) -> Result<bool, Failure> {
        let mut fields = Self::read(request).await?;
        let flag = fields.flag(name)?;
        fields.end(&[])?;
        flag.ok_or_else(|| Failure::invalid(format!("{name} is missing")))
    }

    fn take(&mut self, name: &str) -> Option<Value> {
        self.0.remove(name).filter(|value| !value.is_null())
    }

    /// A text of any length; `None` where there is none.
    pub(super) fn long_text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(Failure::invalid(format!("{name} has to be a string"))),
        }
    }

    /// A text people write.
    pub(super) fn text(&mut self, name: &str) -> Result<Option<String>, Failure> {
        let text = self.long_text(name)?;
        match &text {
            Some(text) if text.len() > MANAGED_TEXT_BYTES_MAX => Err(Failure::invalid(format!(
                "{name} has more than {MANAGED_TEXT_BYTES_MAX} bytes"
            ))),
            _ => Ok(text),
        }
    }

    /// A number.
    pub(super) fn number<T>(
        &mut self,
        name: &str,
        range: RangeInclusive<T>,
    ) -> Result<Option<T>, Failure>
    where
        T: FromStr + PartialOrd + std::fmt::Display,
    {
        let text = match self.take(name) {
            None => return Ok(None),
            Some(Value::Number(number)) => number.to_string(),
            Some(Value::String(text)) => text,
            Some(_) => String::new(),
        };
        let number = text.trim().parse().ok().filter(|number| range.contains(number));
        let (least, most) = (range.start(), range.end());
        let wrong = || Failure::invalid(format!("{name} has to be a number, {least} to {most}"));
        number.map(Some).ok_or_else(wrong)
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &str) -> Result<Option<bool>, Failure> {
        match self.take(name) {
            None => Ok(None),
            Some(Value::Bool(flag)) => Ok(Some(flag)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("true") => Ok(Some(true)),
            Some(Value::String(text)) if text.eq_ignore_ascii_case("false") => Ok(Some(false)),
            Some(_) => Err(Failure::invalid(format!("{name} has to be true or false"))),
        }
    }

    /// A list of texts.
    pub(super) fn texts(&mut self, name: &str) -> Result<Option<Vec<String>>, Failure> {
        let wrong = || Failure::invalid(format!("{name} has to be a list of strings"));
        let Some(value) = self.take(name) else { return Ok(None) };
        let Value::Array(list) = value else { return Err(wrong()) };
        let text = |value| match value {
            Value::String(text) => Ok(text),
            _ => Err(wrong()),
        };
        list.into_iter().map(text).collect::<Result<_, _>>().map(Some)
    }

    /// A list of objects that has to be there, of at most so many.
    pub(super) fn list(&mut self, name: &str, max: usize) -> Result<Vec<Self>, Failure> {
        let Some(Value::Array(list)) = self.take(name) else {
            return Err(Failure::invalid(format!("{name} has to be a list")));
        };
        if list.len() > max {
            return Err(Failure::invalid(format!("{name} has more than {max} entries")));
        }
        let object = |(position, value)| match value {
            Value::Object(fields) => Ok(Self(fields)),
            _ => Err(Failure::invalid(format!("{name}[{position}] has to be an object"))),
        };
        list.into_iter().enumerate().map(object).collect()
    }

    /// Nothing else is there but what an entity shows besides.
    pub(super) fn end(self, shown: &[&str]) -> Result<(), Failure> {
        match self.0.keys().find(|name| !shown.contains(&name.as_str())) {
            None => Ok(()),
            Some(name) => {
                Err(Failure::invalid(format!("{} is not known here", name.escape_debug())))
            }
        }
    }
}

/// A text that has to be there.
pub(super) fn there(name: &str, text: Result<Option<String>, Failure>) -> Result<String, Failure> {
    let text = text?.filter(|text| !text.trim().is_empty());
    text.ok_or_else(|| Failure::invalid(format!("{name} is missing")))
}

/// Goes on unless a body is told to have more than so many bytes.
pub(super) fn fits(headers: &HeaderMap, bytes_max: usize) -> Result<(), Failure> {
    let told = headers.get(CONTENT_LENGTH).and_then(|told| told.to_str().ok());
    match told.and_then(|told| told.parse::<usize>().ok()) {
        Some(told) if told > bytes_max => Err(too_large(bytes_max)),
        _ => Ok(()),
    }
}

/// 413: a body has more than so many bytes.
pub(super) fn too_large(bytes_max: usize) -> Failure {
    let message = format!("the body has more than {bytes_max} bytes");
    Failure::new(StatusCode::PAYLOAD_TOO_LARGE, "INVALID_REQUEST", message)
}

/// Goes on if a body is of that type, 415 else.
pub(super) fn has_type(headers: &HeaderMap, wanted: &str, what: &str) -> Result<(), Failure> {
    let told = headers.get(CONTENT_TYPE).and_then(|told| told.to_str().ok());
    let kind = told.and_then(|told| told.split(';').next()).map(str::trim);
    if kind.is_some_and(|kind| kind.eq_ignore_ascii_case(wanted)) {
        return Ok(());
    }
    let message = format!("the body has to be {what}, with `Content-Type: {wanted}`");
    Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "INVALID_REQUEST", message))
}
