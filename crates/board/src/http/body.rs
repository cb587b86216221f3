//! Bodies and addresses that are read into types, with the place of what is wrong.

use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::StatusCode;
use axum::http::request::Parts;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path as Place, Segment};

use crate::problem::Problem;

/// A JSON body.
pub(crate) struct Body<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Body<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        json(&whole(request, state).await?).map(Self)
    }
}

/// A JSON body, or none, or `null`.
pub(crate) struct OptionalBody<T>(pub(crate) Option<T>);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for OptionalBody<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, state: &S) -> Result<Self, Problem> {
        let bytes = whole(request, state).await?;
        if bytes.is_empty() {
            return Ok(Self(None));
        }
        json(&bytes).map(Self)
    }
}

async fn whole<S: Send + Sync>(request: Request, state: &S) -> Result<Bytes, Problem> {
    Bytes::from_request(request, state).await.map_err(|_| {
        Problem::new(
            StatusCode::BAD_REQUEST,
            "broken-body",
            "the body cannot be read",
        )
    })
}

/// A value from JSON.
pub(crate) fn json<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        fault(error.into_inner()).at(pointer)
    })?;
    reader.end().map_err(fault)?;
    Ok(value)
}

fn fault(error: serde_json::Error) -> Problem {
    if !error.is_data() {
        let detail = format!("no JSON at line {} column {}", error.line(), error.column());
        return Problem::new(StatusCode::BAD_REQUEST, "bad-json", detail);
    }
    // The parser's own words quote names and values of the body; its first two words are enough to tell the kind.
    let words = error.to_string();
    let (code, detail) = if words.starts_with("unknown field") {
        ("unknown-field", "there is no such field")
    } else if words.starts_with("missing field") {
        ("missing-field", "a field is missing")
    } else if words.starts_with("duplicate field") {
        ("duplicate-field", "a field stands there twice")
    } else {
        (
            "wrong-type",
            "the value is of another type, or none of those allowed",
        )
    };
    let detail = format!(
        "{detail}, at line {} column {}",
        error.line(),
        error.column()
    );
    Problem::new(StatusCode::UNPROCESSABLE_ENTITY, code, detail)
}

/// A place as a JSON pointer.
fn pointer(path: &Place) -> String {
    let mut text = String::new();
    for segment in path {
        match segment {
            Segment::Seq { index } => text.push_str(&format!("/{index}")),
            Segment::Map { key } => {
                text.push('/');
                text.push_str(&key.replace('~', "~0").replace('/', "~1"));
            }
            Segment::Enum { .. } | Segment::Unknown => {}
        }
    }
    text
}

/// The named parts of an address's path.
pub(crate) struct Path<T>(pub(crate) T);

impl<T: DeserializeOwned + Send, S: Send + Sync> FromRequestParts<S> for Path<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let path = axum::extract::Path::<T>::from_request_parts(parts, state).await;
        // Not UTF-8: nothing has such a name.
        path.map(|path| Self(path.0))
            .map_err(|_| Problem::not_found())
    }
}

/// The query of an address.
pub(crate) struct Query<T>(pub(crate) T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let query = axum::extract::Query::<T>::try_from_uri(&parts.uri);
        let bad = |_| {
            Problem::new(
                StatusCode::UNPROCESSABLE_ENTITY,
                "bad-query",
                "the query of the address has a field that is not known, stands there twice or is of another type",
            )
        };
        query.map(|query| Self(query.0)).map_err(bad)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Form {
        #[expect(dead_code, reason = "only its place matters")]
        names: Vec<String>,
    }

    #[test]
    fn faults_have_a_place_and_repeat_nothing() {
        for (text, code, pointer) in [
            (r#"{"names":["a",1]}"#, "wrong-type", "/names/1"),
            (r#"{"names":[],"<b>":1}"#, "unknown-field", "/<b>"),
            (r#"{}"#, "missing-field", ""),
            (r#"{"names":[],"names":[]}"#, "duplicate-field", ""),
            (r#"{"names":[]"#, "bad-json", ""),
            (r#"{"names":[]} x"#, "bad-json", ""),
        ] {
            let problem = json::<Form>(text.as_bytes()).unwrap_err();
            let json = serde_json::to_value(&problem).unwrap();
            assert_eq!(
                (problem.code(), &json["pointer"]),
                (code, &pointer.into()),
                "{text}"
            );
            assert!(!json["detail"].as_str().unwrap().contains('<'));
        }
    }
}
