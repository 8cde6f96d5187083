//! What is answered in place of a page.

use askama::Template;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{Html, IntoResponse, Response};

use super::assets::{ADDRESSES, Addresses};
use super::site::Section;
use crate::store::StoreError;

/// Why there is no page.
#[derive(Debug, thiserror::Error)]
pub(super) enum PageError {
    /// Nothing has that address.
    #[error("nothing has that address")]
    NotFound,
    /// A form that no page of ours sent.
    #[error("the form was not sent by a page of this site")]
    ForeignForm,
    /// A form that none of ours looks like.
    #[error("the form could not be read: {0}")]
    BadForm(String),
    /// More than is taken.
    #[error("{0}")]
    TooLarge(String),
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The server's own fault.
    #[error("{0}")]
    Broken(String),
}

#[derive(Debug, Template)]
#[template(path = "message.html")]
struct Message<'a> {
    assets: &'static Addresses,
    section: Section,
    heading: &'a str,
    explanation: &'a str,
}

impl IntoResponse for PageError {
    fn into_response(self) -> Response {
        let (status, heading, explanation) = match &self {
            Self::NotFound => (StatusCode::NOT_FOUND, "Not found", "There is no such page or photo.".to_owned()),
            Self::ForeignForm => (
                StatusCode::FORBIDDEN,
                "Not done",
                "The form did not come from a page of this site, or cookies are off. Load the page anew and try again."
                    .to_owned(),
            ),
            Self::BadForm(reason) => (StatusCode::BAD_REQUEST, "Not done", format!("The form is wrong: {reason}.")),
            Self::TooLarge(reason) => (StatusCode::PAYLOAD_TOO_LARGE, "Not done", reason.clone()),
            // The reason may name hosts and users: it is for the log.
            Self::Store(error) => {
                tracing::error!(%error, "no page without the database");
                let explanation = "The database does not answer. Try again in a moment.".to_owned();
                (StatusCode::SERVICE_UNAVAILABLE, "Not now", explanation)
            }
            Self::Broken(error) => {
                tracing::error!(%error, "no page");
                (StatusCode::INTERNAL_SERVER_ERROR, "Not done", "Something is wrong with this server.".to_owned())
            }
        };
        let page = Message { assets: &ADDRESSES, section: Section::Other, heading, explanation: &explanation };
        let mut response = match page.render() {
            Ok(html) => (status, Html(html)).into_response(),
            Err(_) => status.into_response(),
        };
        if status == StatusCode::SERVICE_UNAVAILABLE {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static("5"));
        }
        response
    }
}

/// A page, or the error of its making.
pub(super) fn page(template: &impl Template) -> Result<Response, PageError> {
    let html = template.render().map_err(|error| PageError::Broken(error.to_string()))?;
    Ok(Html(html).into_response())
}
