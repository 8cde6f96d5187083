//! The pages, asked over HTTP, on a real database.

mod breakable;
mod databases;

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode, header};
use breakable::Breakable;
use facerecog_pipeline::config::FrontendSettings;
use facerecog_pipeline::frontend::{Frontend, Metrics, router};
use facerecog_pipeline::image::{FoundFace, Image, ImageId, KnownFace, Recognition};
use facerecog_pipeline::store::{Added, Claim, Store};
use http_body_util::BodyExt;
use prometheus_client::registry::Registry;
use tower::ServiceExt;

const HOSTILE: &str = r#"<script>alert(1)</script>"'&amp;<img src=x onerror=alert(2)>"#;

/// Longer than anything takes that is to happen.
const PATIENCE: Duration = Duration::from_secs(60);

/// A database, a folder of photos, and the pages on them.
struct Site {
    dir: tempfile::TempDir,
    store: Store,
    router: Router,
}

struct Answer {
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("UTF-8")
    }

    fn header(&self, name: impl header::AsHeaderName) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().expect("text"))
    }

    /// The paths of the table, from the first row to the last.
    fn paths(&self) -> Vec<&str> {
        let cells = self.text().split("<span class=\"label\" aria-hidden=\"true\">Path</span>").skip(1);
        cells.map(|cell| cell.split("</td>").next().expect("the cell ends").trim()).collect()
    }
}

impl Site {
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", dir.path().join("pipeline.db").display());
        Self::on(dir, &url).await
    }

    /// On the database of an address.
    async fn on(dir: tempfile::TempDir, url: &str) -> Self {
        let photos = dir.path().join("photos");
        fs::create_dir(&photos).unwrap();
        let store = Store::connect(url).await.unwrap();
        let settings = FrontendSettings {
            frontend_host: Ipv4Addr::LOCALHOST.into(),
            frontend_port: 0,
            upload_folder: Some(photos.join("uploads")),
            photo_roots: vec![photos],
            max_upload_mib: 1,
        };
        let router =
            router(Frontend::new(store.clone(), None, &settings, Metrics::register(&mut Registry::default())).unwrap());
        Self { dir, store, router }
    }

    fn photo(&self, name: &str) -> PathBuf {
        self.dir.path().join("photos").join(name)
    }

    async fn add(&self, path: &str) -> ImageId {
        match self.store.add_images(&[path.to_owned()]).await.unwrap()[..] {
            [Added::Saved(id)] => id,
            ref other => panic!("{other:?}"),
        }
    }

    async fn claim(&self, id: ImageId) -> Image {
        match self.store.claim(id, Duration::from_secs(60)).await.unwrap() {
            Claim::Claimed(image) => image,
            other => panic!("{other:?}"),
        }
    }

    async fn fail(&self, id: ImageId, reason: &str) {
        let image = self.claim(id).await;
        assert!(self.store.failed(&image, reason, None).await.unwrap());
    }

    async fn recognise(&self, id: ImageId, name: &str) {
        let image = self.claim(id).await;
        let image_name = format!("{name}.jpg");
        let person = self.store.person_or_new(&image_name, name).await.unwrap();
        let known = KnownFace { image_name: image_name.clone(), person: name.into(), similarity: 0.875 };
        let face = FoundFace { x: 10.0, y: 20.0, width: 30.0, height: 40.0, score: 0.5, known: Some(known) };
        let other = FoundFace { x: 50.0, known: None, ..face.clone() };
        let found = Recognition { width: 400, height: 200, image_name: Some(image_name), faces: vec![face, other] };
        assert!(self.store.processed(&image, &person, &found).await.unwrap());
    }

    async fn ask(&self, request: Request<Body>) -> Answer {
        let answer = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = answer.into_parts();
        let body = body.collect().await.unwrap().to_bytes().to_vec();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    async fn get(&self, address: &str) -> Answer {
        self.ask(Request::get(address).body(Body::empty()).unwrap()).await
    }

    /// Retries a photo as a page of ours does, but for what `change` makes of it.
    async fn retry(&self, id: ImageId, back: &str) -> Answer {
        let token = token(&self.get("/").await);
        let form = format!("token={token}&back={}", back.replace('&', "%26").replace('=', "%3D"));
        let request = Request::post(format!("/photos/{id}/retry"))
            .header(header::COOKIE, format!("csrf={token}"))
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        self.ask(request.body(form.into()).unwrap()).await
    }
}

/// The parts of a form, each with the name that the sender gives its file.
type Parts<'a> = [(&'a str, Option<&'a str>, &'a [u8])];

/// A form of them.
fn form(parts: &Parts<'_>) -> Vec<u8> {
    let mut body = Vec::new();
    for (name, file, content) in parts {
        let file = file.map(|file| format!("; filename=\"{file}\"")).unwrap_or_default();
        body.extend(format!("--edge\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n").bytes());
        body.extend_from_slice(content);
        body.extend(b"\r\n");
    }
    body.extend(b"--edge--\r\n");
    body
}

/// The request of a browser that has the token.
fn send(token: &str, body: Vec<u8>) -> Request<Body> {
    let request = Request::post("/upload")
        .header(header::COOKIE, format!("csrf={token}"))
        .header(header::CONTENT_TYPE, "multipart/form-data; boundary=edge");
    request.body(body.into()).unwrap()
}

impl Site {
    async fn upload(&self, token: &str, parts: &Parts<'_>) -> Answer {
        self.ask(send(token, form(parts))).await
    }

    /// Names in the folder of uploads, sorted.
    fn uploaded(&self) -> Vec<String> {
        let files = fs::read_dir(self.photo("uploads")).unwrap();
        let mut names: Vec<_> = files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

/// The token of the cookie that a page sets.
fn token(page: &Answer) -> String {
    let cookie = page.header(header::SET_COOKIE);
    let value = cookie.strip_prefix("csrf=").expect("a token").split(';').next().expect("a value");
    value.to_owned()
}

#[tokio::test]
async fn the_table_is_the_original_one_and_more() {
    let site = Site::new().await;
    let (pending, failed, processed) = (site.add("/a.jpg").await, site.add("/b.jpg").await, site.add("/c.jpg").await);
    site.fail(failed, "no face on the photo").await;
    site.recognise(processed, "obama").await;
    let page = site.get("/").await;
    assert_eq!((page.status, page.header(header::CONTENT_TYPE)), (StatusCode::OK, "text/html; charset=utf-8"));
    let text = page.text();
    assert!(text.contains("<title>Persons of Interest</title>"));
    assert_eq!(page.paths(), ["/c.jpg", "/b.jpg", "/a.jpg"], "newest first");
    let rows: Vec<&str> = text.split("<tr id=").skip(1).collect();
    for (row, id, shown) in [
        (rows[0], processed, &["obama", "Processed", "viewBox=\"0 0 400 200\"", "x=\"10\" y=\"20\""][..]),
        (rows[1], failed, &["—", "Failed", "no face on the photo", "action=\"/photos/2/retry\""]),
        (rows[2], pending, &["Pending...", "Pending</span>"]),
    ] {
        for text in shown {
            assert!(row.contains(text), "photo {id}, {text}: {row}");
        }
    }
    assert_eq!(text.matches("<button id=\"retry-").count(), 1, "what has not failed cannot be retried");
}

#[tokio::test]
async fn rows_that_make_no_sense_are_shown_as_they_are() {
    let site = Site::new().await;
    let url = format!("sqlite:{}", site.dir.path().join("pipeline.db").display());
    let other = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query(
        "insert into images (path, person, status) values ('/a.jpg', null, null), ('/b.jpg', 77, 9), ('/c.jpg', 77, 1)",
    )
    .execute(&other)
    .await
    .unwrap();
    let page = site.get("/").await;
    assert_eq!((page.status, page.paths()), (StatusCode::OK, vec!["/c.jpg", "/b.jpg", "/a.jpg"]));
    assert_eq!(page.text().matches(">Unknown</span>").count(), 2, "{}", page.text());
    for id in 1..=3 {
        assert_eq!(site.get(&format!("/photos/{id}")).await.status, StatusCode::OK);
    }
}

#[tokio::test]
async fn pages_outlive_their_database() {
    let site = Site::new().await;
    let url = format!("sqlite:{}", site.dir.path().join("pipeline.db").display());
    let other = sqlx::SqlitePool::connect(&url).await.unwrap();
    sqlx::query("alter table images rename to elsewhere").execute(&other).await.unwrap();
    for address in ["/", "/photos/1", "/photos/1/thumbnail"] {
        let page = site.get(address).await;
        assert_eq!(
            (page.status, page.header(header::RETRY_AFTER)),
            (StatusCode::SERVICE_UNAVAILABLE, "5"),
            "{address}"
        );
        assert!(!page.text().contains("images"), "{address} tells what the database said: {}", page.text());
    }
    sqlx::query("alter table elsewhere rename to images").execute(&other).await.unwrap();
    assert_eq!(site.get("/").await.status, StatusCode::OK);
}

#[tokio::test]
async fn everything_stored_is_text() {
    let site = Site::new().await;
    let (failed, processed) = (site.add(&format!("/{HOSTILE}.jpg")).await, site.add("/b.jpg").await);
    site.fail(failed, HOSTILE).await;
    site.recognise(processed, HOSTILE).await;
    for address in ["/", "/?person=%3Cscript%3E&status=%22%3E", "/people", "/photos/1", "/photos/2"] {
        let page = site.get(address).await;
        assert_eq!(page.status, StatusCode::OK, "{address}");
        let text = page.text();
        assert!(
            !text.contains("<script>") && !text.contains("<img src=x") && !text.contains("\"'&amp;<"),
            "{address}: {text}"
        );
        assert!(text.contains("&#60;script&#62;"), "{address}: {text}");
    }
}

#[tokio::test]
async fn filters_and_pages() {
    let site = Site::new().await;
    let paths: Vec<String> = (0..60).map(|number| format!("/{number:02}.jpg")).collect();
    let added = site.store.add_images(&paths).await.unwrap();
    let [Added::Saved(first), Added::Saved(second), ..] = added[..] else { panic!("{added:?}") };
    site.recognise(first, "Ada Lovelace").await;
    site.recognise(second, "Grace & Co").await;

    let mut seen = Vec::new();
    for (page, rows, newer, older) in
        [(1, 25, false, true), (2, 25, true, true), (3, 10, true, false), (4, 0, true, false)]
    {
        let answer = site.get(&format!("/?page={page}")).await;
        let paths = answer.paths();
        assert_eq!(paths.len(), rows, "page {page}");
        assert_eq!(answer.text().contains("rel=\"prev\""), newer, "page {page}");
        assert_eq!(answer.text().contains("rel=\"next\""), older, "page {page}");
        assert!(answer.text().contains("60 photos"));
        seen.extend(paths.into_iter().map(str::to_owned));
    }
    seen.reverse();
    assert_eq!(seen, paths, "every photo on one page, newest first");

    for (query, found) in [
        ("status=processed", &["/01.jpg", "/00.jpg"][..]),
        ("status=failed", &[]),
        ("person=lovel", &["/00.jpg"]),
        ("person=ADA", &["/00.jpg"]),
        ("person=grace+%26+co", &["/01.jpg"]),
        ("person=a%25a", &[]),
        ("person=_da", &[]),
        ("status=pending&person=Ada", &[]),
    ] {
        let page = site.get(&format!("/?{query}")).await;
        assert_eq!(page.paths(), found, "{query}");
    }
    // What makes no sense is left out.
    for query in ["status=nonsense", "page=0", "page=-7", "page=99999999999999", "page=1&page=2&status=", "%ff=%ff&&&="]
    {
        let page = site.get(&format!("/?{query}")).await;
        assert_eq!((page.status, page.paths().len()), (StatusCode::OK, 25), "{query}");
    }
}

#[tokio::test]
async fn one_photo_with_its_faces() {
    let site = Site::new().await;
    let id = site.add("/a.jpg").await;
    let waiting = site.get("/photos/1").await;
    assert!(waiting.text().contains("has not been looked at yet"));
    site.recognise(id, "obama").await;
    let page = site.get("/photos/1").await;
    let text = page.text();
    for shown in ["0.875", "0.500", "obama.jpg", "nobody known", "400 × 200 pixels", "with 2 faces: obama"] {
        assert!(text.contains(shown), "{shown}: {text}");
    }
    assert_eq!(text.matches("<rect ").count(), 2);
    for address in [
        "/photos/2",
        "/photos/0",
        "/photos/-1",
        "/photos/x",
        "/photos/18446744073709551615",
        "/photos/99999999999999999999",
    ] {
        for address in [address.to_owned(), format!("{address}/thumbnail"), format!("{address}/picture")] {
            let page = site.get(&address).await;
            assert_eq!(page.status, StatusCode::NOT_FOUND, "{address}");
        }
    }
}

#[tokio::test]
async fn people_with_what_they_are_known_by_and_seen_on() {
    let site = Site::new().await;
    for path in ["/a.jpg", "/b.jpg"] {
        let id = site.add(path).await;
        site.recognise(id, "Grace & Co").await;
    }
    let page = site.get("/people").await;
    let text = page.text();
    assert!(text.contains("Grace &#38; Co"), "{text}");
    let link = "href=\"/?status=processed&#38;person=Grace+%26+Co\"";
    assert!(text.contains(link), "{text}");
    assert_eq!(site.get("/?status=processed&person=Grace+%26+Co").await.paths().len(), 2);
}

#[tokio::test]
async fn a_retry_begins_anew_and_leads_back() {
    let site = Site::new().await;
    let (failed, pending) = (site.add("/a.jpg").await, site.add("/b.jpg").await);
    site.store.queued(&[failed, pending]).await.unwrap();
    site.fail(failed, "the photo is broken").await;

    let version = site.store.version().await.unwrap();
    let answer = site.retry(failed, "/?status=failed").await;
    assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/?status=failed&retried=1"));
    assert_eq!(site.store.unqueued(Duration::ZERO, 10).await.unwrap(), [failed], "the outbox has it");
    assert!(site.store.version().await.unwrap() > version, "open pages learn of it");
    assert!(site.get("/?retried=1").await.text().contains("Photo 1 will be tried again."));

    let answer = site.retry(pending, "https://example.org/").await;
    assert_eq!((answer.status, answer.header(header::LOCATION)), (StatusCode::SEE_OTHER, "/?not-failed=2"));
    assert_eq!(site.retry(ImageId(3), "/").await.status, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn forms_that_are_none_of_ours_change_nothing() {
    let site = Site::new().await;
    let id = site.add("/a.jpg").await;
    site.fail(id, "broken").await;
    let token = token(&site.get("/").await);
    let cookie = format!("csrf={token}");
    let form = format!("token={token}");
    let ours = [(header::COOKIE.as_str(), cookie.as_str())];
    let mut tried = vec![
        (vec![], form.as_str(), StatusCode::FORBIDDEN),
        (ours.to_vec(), "", StatusCode::FORBIDDEN),
        (ours.to_vec(), "token=", StatusCode::FORBIDDEN),
        (vec![("cookie", "csrf=")], "token=", StatusCode::FORBIDDEN),
        (ours.to_vec(), "token=%", StatusCode::FORBIDDEN),
    ];
    for site in ["cross-site", "same-site", "none", ""] {
        tried.push(([&ours[..], &[("sec-fetch-site", site)]].concat(), form.as_str(), StatusCode::FORBIDDEN));
    }
    let long = format!("{form}&back={}", "x".repeat(20_000));
    tried.push((ours.to_vec(), &long, StatusCode::BAD_REQUEST));
    for (headers, form, status) in tried {
        let mut request =
            Request::post("/photos/1/retry").header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        for &(name, value) in &headers {
            request = request.header(name, value);
        }
        let answer = site.ask(request.body(form.to_owned().into()).unwrap()).await;
        assert_eq!(answer.status, status, "{headers:?} {form:.80}");
    }
    assert!(site.get("/?status=failed").await.paths() == ["/a.jpg"], "it is as it was");
    // By no other method either.
    assert_eq!(site.get("/photos/1/retry").await.status, StatusCode::METHOD_NOT_ALLOWED);
}

#[tokio::test]
async fn pictures_are_small_and_kept_while_the_photo_is_the_same() {
    let site = Site::new().await;
    let photo = site.photo("group.jpg");
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/group.jpg"), &photo).unwrap();
    site.add(photo.to_str().unwrap()).await;
    let mut tags = Vec::new();
    for (size, side) in [("thumbnail", 192), ("picture", 1280)] {
        let address = format!("/photos/1/{size}");
        let answer = site.get(&address).await;
        assert_eq!((answer.status, answer.header(header::CONTENT_TYPE)), (StatusCode::OK, "image/jpeg"), "{size}");
        assert_eq!(image::load_from_memory(&answer.body).unwrap().width(), side, "{size}");
        let tag = answer.header(header::ETAG).to_owned();
        let again = |tag: &str| Request::get(&address).header(header::IF_NONE_MATCH, tag).body(Body::empty()).unwrap();
        let known = site.ask(again(&tag)).await;
        assert_eq!((known.status, known.body.len()), (StatusCode::NOT_MODIFIED, 0), "{size}");
        tags.push(tag);
    }
    assert_ne!(tags[0], tags[1]);
    fs::copy(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/chelsea.png"), &photo).unwrap();
    let other = site.get("/photos/1/thumbnail").await;
    assert_ne!(other.header(header::ETAG), tags[0]);
    assert_eq!(image::load_from_memory(&other.body).unwrap().height(), 128, "451 × 300 pixels");
}

#[tokio::test]
async fn what_cannot_be_shown_has_a_picture_that_says_so() {
    let site = Site::new().await;
    fs::write(site.photo("broken.jpg"), b"\xff\xd8\xff\xe0 no more").unwrap();
    fs::write(site.photo("drawing.svg"), "<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")
        .unwrap();
    fs::write(site.dir.path().join("secret.png"), "outside").unwrap();
    let outside = site.dir.path().join("photos/../secret.png");
    for path in [
        site.photo("broken.jpg"),
        site.photo("drawing.svg"),
        site.photo("missing.jpg"),
        site.photo(""),
        outside,
        "/etc/hostname".into(),
        "https://example.org/a.jpg".into(),
        "relative.jpg".into(),
    ] {
        let id = site.add(path.to_str().unwrap()).await;
        let answer = site.get(&format!("/photos/{id}/thumbnail")).await;
        let kind = answer.header(header::CONTENT_TYPE);
        assert_eq!((answer.status, kind), (StatusCode::OK, "image/svg+xml"), "{}", path.display());
        assert!(answer.text().contains("no picture"), "{}", path.display());
        assert_eq!(answer.header(header::CACHE_CONTROL), "no-store");
    }
}

#[tokio::test]
async fn every_answer_forbids_what_is_not_ours() {
    let site = Site::new().await;
    site.add("/a.jpg").await;
    let page = site.get("/").await;
    let assets: Vec<&str> = page.text().split('"').filter(|text| text.starts_with("/assets/")).collect();
    assert_eq!(assets.len(), 3, "{assets:?}");
    let other = ["/", "/people", "/photos/1", "/photos/1/picture", "/version", "/nowhere", "/photos/9", "/assets/x/y"];
    for address in assets.iter().copied().chain(other) {
        let answer = site.get(address).await;
        assert!(answer.header(header::CONTENT_SECURITY_POLICY).starts_with("default-src 'none';"), "{address}");
        assert_eq!(answer.header(header::X_CONTENT_TYPE_OPTIONS), "nosniff", "{address}");
        let kept = answer.header(header::CACHE_CONTROL);
        assert_eq!(kept.contains("immutable"), assets.contains(&address), "{address}: {kept}");
        let text = answer.text();
        assert!(!text.contains("style=") && !text.contains(" onclick") && !text.contains("//cdn"), "{address}");
    }
    assert_eq!(site.get("/assets/0000000000000000/style.css").await.header(header::CACHE_CONTROL), "no-store");
}

#[tokio::test]
async fn uploads_are_stored_and_queued() {
    for database in databases::each().await {
        good_uploads(&Site::on(tempfile::tempdir().unwrap(), &database.url).await).await;
    }
}

async fn good_uploads(site: &Site) {
    let token = token(&site.get("/").await);
    let example = |name| fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples").join(name)).unwrap();
    let (cat, cup) = (example("chelsea.png"), example("coffee.jpg"));
    let parts = [
        ("token", None, token.as_bytes()),
        ("photo", Some("../../chelsea.jpg"), &cat[..]),
        ("photo", Some("coffee <b>.jpg"), &cup[..]),
    ];
    let answer = site.upload(&token, &parts).await;
    assert_eq!(
        (answer.status, answer.header(header::LOCATION)),
        (StatusCode::SEE_OTHER, "/?added=2"),
        "{}",
        answer.text()
    );
    let names = site.uploaded();
    assert!(names[0].starts_with("chelsea-") && names[0].ends_with(".png"), "{names:?}");
    assert!(names[1].starts_with("coffee__b-") && names[1].ends_with(".jpg"), "{names:?}");
    assert_eq!(fs::read(site.photo("uploads").join(&names[0])).unwrap(), cat);
    let mode = fs::metadata(site.photo("uploads").join(&names[0])).unwrap().permissions().mode();
    assert_eq!(mode & 0o444, 0o444, "the recognizer may read it");
    let page = site.get("/?added=2").await;
    assert!(page.text().contains("2 photos were added."));
    assert_eq!(page.paths().len(), 2);
    assert_eq!(site.store.unqueued(Duration::ZERO, 10).await.unwrap().len(), 2);
    // Again: another photo, for all that is known.
    assert_eq!(site.upload(&token, &parts[..2]).await.header(header::LOCATION), "/?added=1");
    assert_eq!(site.uploaded().len(), 3);
}

#[tokio::test]
async fn uploads_that_are_wrong_leave_nothing() {
    for database in databases::each().await {
        wrong_uploads(&Site::on(tempfile::tempdir().unwrap(), &database.url).await).await;
    }
}

async fn wrong_uploads(site: &Site) {
    let token = token(&site.get("/").await);
    let photo = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/coffee.jpg")).unwrap();
    let long = [&photo[..], &vec![0; 1 << 20]].concat();
    let other = "0".repeat(64);
    let ours = ("token", None, token.as_bytes());
    let good = ("photo", Some("a.jpg"), &photo[..]);
    for (parts, status) in [
        (vec![], StatusCode::BAD_REQUEST),
        (vec![ours], StatusCode::BAD_REQUEST),
        (vec![good], StatusCode::FORBIDDEN),
        (vec![good, ours], StatusCode::FORBIDDEN),
        (vec![("token", None, b""), good], StatusCode::FORBIDDEN),
        (vec![("token", None, other.as_bytes()), good], StatusCode::FORBIDDEN),
        (vec![("token", None, &long), good], StatusCode::FORBIDDEN),
        (vec![ours, ("photo", Some("a.jpg"), b"")], StatusCode::BAD_REQUEST),
        (vec![ours, ("photo", Some("a.jpg"), b"no photo, whatever its name")], StatusCode::BAD_REQUEST),
        (vec![ours, good, ("photo", Some("<i>.jpg"), b"#!/bin/sh\n")], StatusCode::BAD_REQUEST),
        (vec![ours, good, ("photo", Some("b.jpg"), &long)], StatusCode::PAYLOAD_TOO_LARGE),
        (vec![ours, good, ("surprise", None, b"")], StatusCode::FORBIDDEN),
    ] {
        let answer = site.upload(&token, &parts).await;
        let names: Vec<_> = parts.iter().map(|(name, file, content)| (name, file, content.len())).collect();
        assert_eq!(answer.status, status, "{names:?}: {}", answer.text());
        assert!(!answer.text().contains("<i>"));
        assert_eq!(site.uploaded(), [""; 0], "{names:?}");
    }
    // A form that ends in the middle of its photo.
    let mut body = b"--edge\r\nContent-Disposition: form-data; name=\"token\"\r\n\r\n".to_vec();
    body.extend(token.bytes());
    body.extend(b"\r\n--edge\r\nContent-Disposition: form-data; name=\"photo\"; filename=\"a.jpg\"\r\n\r\n");
    body.extend(&photo[..1000]);
    assert_eq!(site.ask(send(&token, body)).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.ask(send(&token, b"nothing like a form".to_vec())).await.status, StatusCode::BAD_REQUEST);
    assert_eq!(site.uploaded(), [""; 0]);
    assert_eq!(site.get("/").await.paths(), [""; 0]);
}

#[tokio::test]
async fn photos_stay_unless_their_rows_are_surely_not_there() {
    let database = databases::mariadb().await;
    let proxy = Breakable::new(&database.url).await;
    let site = Site::on(tempfile::tempdir().unwrap(), proxy.url()).await;
    let token = token(&site.get("/").await);
    let photo = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/coffee.jpg")).unwrap();
    let parts = [("token", None, token.as_bytes()), ("photo", Some("a.jpg"), &photo[..])];

    proxy.break_before("insert into outbox");
    assert_eq!(site.upload(&token, &parts).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(proxy.has_broken());
    assert_eq!(site.uploaded(), [""; 0]);
    assert_eq!(site.get("/").await.paths(), [""; 0]);

    proxy.break_after("COMMIT");
    assert_eq!(site.upload(&token, &parts).await.status, StatusCode::SERVICE_UNAVAILABLE);
    assert!(proxy.has_broken());
    let photos: Vec<_> = site.uploaded().iter().map(|name| site.photo("uploads").join(name)).collect();
    let photos: Vec<_> = photos.iter().map(|photo| photo.to_str().unwrap()).collect();
    assert_eq!((photos.len(), site.get("/").await.paths()), (1, photos));
}

#[tokio::test]
async fn an_upload_that_has_come_is_stored_though_its_client_goes() {
    let site = Site::new().await;
    let token = token(&site.get("/").await);
    let photo = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/coffee.jpg")).unwrap();
    let body = form(&[("token", None, token.as_bytes()), ("photo", Some("a.jpg"), &photo)]);
    // The row has to wait while another process writes.
    let url = format!("sqlite:{}", site.dir.path().join("pipeline.db").display());
    let mut other = sqlx::SqlitePool::connect(&url).await.unwrap().begin_with("begin immediate").await.unwrap();
    sqlx::query("insert into person (name) values ('a')").execute(&mut *other).await.unwrap();
    let client = tokio::spawn(site.router.clone().oneshot(send(&token, body)));
    let stored = async {
        while !site.uploaded().iter().any(|name| name.starts_with("a-")) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, stored).await.expect("the photo is stored");
    // The handler has gone on to the row.
    tokio::time::sleep(Duration::from_millis(200)).await;
    client.abort();
    assert!(client.await.unwrap_err().is_cancelled());
    other.commit().await.unwrap();
    let queued = async {
        while site.store.unqueued(Duration::ZERO, 10).await.unwrap().is_empty() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(PATIENCE, queued).await.expect("its row is stored, and in the outbox");
    let photo = site.photo("uploads").join(&site.uploaded()[0]);
    assert_eq!(site.get("/").await.paths(), [photo.to_str().unwrap()]);
}
