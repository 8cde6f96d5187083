//! Answers to what was taken: the original's lines, or JSON.

use std::fmt::Write;

use axum::Json;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use super::intake::{Taken, TakenPhoto};
use crate::store::Added;

/// How an answer is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// The original's lines.
    Text,
    Json,
}

impl Form {
    /// What the client accepts: JSON when it says so, by its own name.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        let mut ranges = headers
            .get_all(header::ACCEPT)
            .iter()
            .filter_map(|value| value.to_str().ok())
            .flat_map(|value| value.split(','))
            .map(|range| range.split(';').next().unwrap_or_default().trim());
        if ranges.any(|range| range.eq_ignore_ascii_case("application/json")) { Self::Json } else { Self::Text }
    }
}

#[derive(Debug, Serialize)]
struct Answer<'t> {
    images: Vec<AnsweredPhoto<'t>>,
    saved: usize,
    already_there: usize,
    /// Whether the queue has those that were saved; if not, it gets them later.
    queued: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    queue_error: Option<&'t str>,
}

#[derive(Debug, Serialize)]
struct AnsweredPhoto<'t> {
    path: &'t str,
    result: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
}

/// Answers what became of photos; `echo` is what the lines begin with.
pub(super) fn taken(form: Form, echo: &str, taken: &Taken) -> Response {
    match form {
        Form::Text => lines(echo, taken).into_response(),
        Form::Json => Json(json(taken)).into_response(),
    }
}

/// The original ends its lines about errors without a line feed; who reads them reads ours.
fn lines(echo: &str, taken: &Taken) -> String {
    let mut text = echo.to_owned();
    for TakenPhoto { path, added } in &taken.photos {
        let written = match (added, &taken.queue_error) {
            (Added::Saved(id), None) => write!(text, "image saved with id: {id}\nimage sent to nsq\n"),
            (Added::Saved(id), Some(error)) => {
                write!(text, "image saved with id: {id}\nerror while sending image to queue: {error}")
            }
            (Added::AlreadyThere, _) => write!(
                text,
                "got error while saving image: image with path '{path}' already exists; moving on to next..."
            ),
        };
        written.expect("a string takes any text");
    }
    text
}

fn json(taken: &Taken) -> Answer<'_> {
    let photo = |photo: &'_ TakenPhoto| match photo.added {
        Added::Saved(id) => ("saved", Some(id.0)),
        Added::AlreadyThere => ("already_there", None),
    };
    let images: Vec<_> = taken
        .photos
        .iter()
        .map(|taken| {
            let (result, id) = photo(taken);
            AnsweredPhoto { path: &taken.path, result, id }
        })
        .collect();
    let saved = images.iter().filter(|image| image.id.is_some()).count();
    Answer {
        saved,
        already_there: images.len() - saved,
        images,
        queued: taken.queue_error.is_none(),
        queue_error: taken.queue_error.as_deref(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::image::ImageId;

    fn accepting(value: &str) -> Form {
        Form::of(&HeaderMap::from_iter([(header::ACCEPT, value.parse().unwrap())]))
    }

    #[test]
    fn json_is_for_those_who_name_it() {
        assert_eq!(Form::of(&HeaderMap::new()), Form::Text);
        for (accept, form) in [
            ("*/*", Form::Text),
            ("text/plain, application/xml", Form::Text),
            ("application/json", Form::Json),
            ("text/plain;q=0.5, Application/JSON; q=0.9", Form::Json),
            ("application/jsonp", Form::Text),
        ] {
            assert_eq!(accepting(accept), form, "{accept}");
        }
    }

    #[test]
    fn lines_are_the_originals() {
        let photo = |path: &str, added| TakenPhoto { path: path.to_owned(), added };
        let mut taken = Taken {
            photos: vec![
                photo("a", Added::Saved(ImageId(7))),
                photo("b", Added::AlreadyThere),
                photo("c", Added::Saved(ImageId(8))),
            ],
            queue_error: None,
        };
        assert_eq!(
            lines("got paths: {Paths:[{Path:a} {Path:b} {Path:c}]}\n", &taken),
            "got paths: {Paths:[{Path:a} {Path:b} {Path:c}]}\nimage saved with id: 7\nimage sent to nsq\n\
             got error while saving image: image with path 'b' already exists; moving on to next...\
             image saved with id: 8\nimage sent to nsq\n"
        );
        taken.queue_error = Some("dial tcp: refused".to_owned());
        assert_eq!(
            lines("", &taken),
            "image saved with id: 7\nerror while sending image to queue: dial tcp: refused\
             got error while saving image: image with path 'b' already exists; moving on to next...\
             image saved with id: 8\nerror while sending image to queue: dial tcp: refused"
        );
    }
}
