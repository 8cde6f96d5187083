//! How things are said and shown on every page.

use std::collections::HashMap;

use crate::image::{FoundFace, Status};
use crate::store::ImageSummary;

/// The pages that every page leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Section {
    Photos,
    People,
    Other,
}

/// A status, for people and for style sheets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct State {
    pub(super) name: &'static str,
    pub(super) class: &'static str,
}

impl State {
    pub(super) fn of(status: Option<Status>) -> Self {
        let (name, class) = match status {
            Some(Status::Pending) => ("Pending", "pending"),
            Some(Status::Processed) => ("Processed", "processed"),
            Some(Status::Failed) => ("Failed", "failed"),
            Some(Status::Processing) => ("Processing", "processing"),
            None => ("Unknown", "unknown"),
        };
        Self { name, class }
    }
}

/// Who is on a photo, as far as that is known.
pub(super) fn person(summary: &ImageSummary) -> &str {
    match (&summary.person, summary.status) {
        (Some(name), _) => name,
        (None, Some(Status::Pending | Status::Processing)) => "Pending...",
        (None, _) => "—",
    }
}

/// Why a photo failed; what an earlier try met with is past.
pub(super) fn reason(summary: &ImageSummary) -> Option<&str> {
    summary.reason.as_deref().filter(|_| summary.status == Some(Status::Failed))
}

/// What a screen reader says when a photo has changed.
pub(super) fn said(summary: &ImageSummary) -> String {
    let name = summary.person.as_deref().map(|name| format!(", {name}")).unwrap_or_default();
    format!("Photo {}: {}{name}.", summary.id, State::of(summary.status).name)
}

/// A photo with boxes over it.
#[derive(Debug)]
pub(super) struct Photo {
    pub(super) address: String,
    /// Size on the page, in pixels of CSS.
    pub(super) shown: Option<(u32, u32)>,
    /// Size of the upright photo: what boxes are told in.
    pub(super) size: Option<(u32, u32)>,
    pub(super) boxes: Vec<Box>,
    /// Height of the numbers at the boxes, in pixels of the photo.
    pub(super) text_size: f32,
}

/// The box of a face.
#[derive(Debug)]
pub(super) struct Box {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
    pub(super) known: bool,
    pub(super) number: Option<usize>,
}

/// Height of the numbers at the boxes, in pixels of CSS.
const TEXT_SIZE: f32 = 22.0;

impl Photo {
    /// The photo of `summary` at `address`, at most `side` pixels wide and high.
    pub(super) fn new(address: String, summary: &ImageSummary, side: u32) -> Self {
        let size = summary.size.filter(|&(width, height)| width > 0 && height > 0);
        let shown = size.map(|size| fit(size, side));
        let text_size = match (size, shown) {
            (Some((_, height)), Some((_, shown))) => TEXT_SIZE * height as f32 / shown as f32,
            _ => 0.0,
        };
        Self { address, shown, size, boxes: Vec::new(), text_size }
    }

    /// Adds the box of a face.
    pub(super) fn add(&mut self, face: &FoundFace, number: Option<usize>) {
        let &FoundFace { x, y, width, height, .. } = face;
        // What is stored may be anything; a drawing takes numbers alone.
        if [x, y, width, height].iter().all(|side| side.is_finite()) && width >= 0.0 && height >= 0.0 {
            self.boxes.push(Box { x, y, width, height, known: face.known.is_some(), number });
        }
    }
}

/// `size` made to fit a square of `side`, never larger than it was, and at least one pixel each way.
fn fit((width, height): (u32, u32), side: u32) -> (u32, u32) {
    let longest = width.max(height);
    if longest <= side {
        return (width, height);
    }
    let scaled = |length: u32| (u64::from(length) * u64::from(side) / u64::from(longest)).max(1) as u32;
    (scaled(width), scaled(height))
}

/// What an action has done, told on the page that it leads to: a name and a number in the address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Notice {
    /// A photo will be tried again.
    Retried(u64),
    /// A photo has not failed, or not any more.
    NotFailed(u64),
    /// So many photos were added.
    Added(u64),
}

impl Notice {
    pub(super) fn from_query(query: &HashMap<String, String>) -> Option<Self> {
        let number = |name: &str| query.get(name)?.parse().ok();
        None.or_else(|| number("retried").map(Self::Retried))
            .or_else(|| number("not-failed").map(Self::NotFailed))
            .or_else(|| number("added").map(Self::Added))
    }

    /// `address` with the notice added.
    pub(super) fn at(self, address: &str) -> String {
        let joint = if address.contains('?') { '&' } else { '?' };
        let (name, number) = match self {
            Self::Retried(id) => ("retried", id),
            Self::NotFailed(id) => ("not-failed", id),
            Self::Added(photos) => ("added", photos),
        };
        format!("{address}{joint}{name}={number}")
    }

    pub(super) fn text(self) -> String {
        match self {
            Self::Retried(id) => format!("Photo {id} will be tried again."),
            Self::NotFailed(id) => format!("Photo {id} has not failed, so that there is nothing to try again."),
            Self::Added(1) => "One photo was added.".into(),
            Self::Added(photos) => format!("{photos} photos were added."),
        }
    }
}

/// `address` when it is one of ours that an action may lead back to, else the first page.
pub(super) fn back(address: &str) -> &str {
    let ours = address.starts_with("/?") || address.starts_with("/photos/");
    let plain = address.bytes().all(|byte| byte.is_ascii_graphic());
    if ours && plain { address } else { "/" }
}

/// `1 photo`, `2 photos`.
pub(super) fn counted(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn photos_fit_and_never_vanish() {
        assert_eq!(fit((4000, 3000), 96), (96, 72));
        assert_eq!(fit((3000, 4000), 96), (72, 96));
        assert_eq!(fit((50, 40), 96), (50, 40));
        assert_eq!(fit((100_000, 1), 96), (96, 1));
        assert_eq!(fit((u32::MAX, u32::MAX), 96), (96, 96));
    }

    #[test]
    fn an_action_leads_back_to_pages_of_ours_alone() {
        for address in ["/?status=failed&page=2", "/photos/7"] {
            assert_eq!(back(address), address);
        }
        for address in
            ["", "https://example.org/", "//example.org", "/\\example.org", "/\t/example.org", "/people", "/?a\r\nb: c"]
        {
            assert_eq!(back(address), "/", "{address:?}");
        }
    }

    #[test]
    fn a_notice_survives_its_address() {
        for notice in [Notice::Retried(7), Notice::NotFailed(0), Notice::Added(3)] {
            for address in ["/", "/?status=failed"] {
                let told = notice.at(address);
                let (_, query) = told.split_once('?').unwrap();
                let query = query.split('&').filter_map(|pair| pair.split_once('='));
                let query = query.map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
                assert_eq!(Notice::from_query(&query), Some(notice), "{told}");
            }
        }
    }

    #[test]
    fn a_box_of_odd_numbers_is_left_out() {
        let summary = ImageSummary {
            id: crate::image::ImageId(1),
            path: "a.jpg".into(),
            person: None,
            status: None,
            reason: None,
            size: Some((100, 50)),
            face: None,
        };
        let mut photo = Photo::new("/a".into(), &summary, 50);
        let face = |x: f32, width: f32| FoundFace { x, y: 0.0, width, height: 1.0, score: 1.0, known: None };
        for odd in [face(f32::NAN, 1.0), face(0.0, f32::INFINITY), face(0.0, -1.0)] {
            photo.add(&odd, None);
        }
        assert!(photo.boxes.is_empty());
        photo.add(&face(-3.0, 1.0), None);
        assert_eq!((photo.boxes.len(), photo.shown, photo.text_size), (1, Some((50, 25)), 44.0));
    }
}
