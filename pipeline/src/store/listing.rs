//! Photos for people to look at.

use sqlx::AssertSqlSafe;

use super::dialect::on_database;
use super::face::{FACE_COLUMNS, FaceRow};
use super::incoming::list;
use super::{Filter, ImageDetail, ImageSummary, Page, Store, StoreError, id_of, key};
use crate::image::{ImageId, Status};

/// Tables of [`SummaryRow`]. A person counts once the photo is PROCESSED.
const TABLES: &str = "images left join person on person.id = images.person and images.status = 1 \
     left join image_work as work on work.image_id = images.id \
     left join image_faces as face on face.image_id = images.id and face.told = 1";
const COLUMNS: &str = "images.id as id, images.path as path, person.name as person, images.status as status, \
     work.reason as reason, work.width as width, work.height as height, work.attempts as attempts";

#[derive(Debug, sqlx::FromRow)]
struct SummaryRow {
    id: i64,
    path: String,
    person: Option<String>,
    status: Option<i64>,
    reason: Option<String>,
    width: Option<i64>,
    height: Option<i64>,
    attempts: Option<i64>,
    #[sqlx(flatten)]
    face: FaceRow,
}

impl SummaryRow {
    fn summary(self) -> ImageSummary {
        let status = Status::from_stored(self.status.and_then(|status| i32::try_from(status).ok()));
        let pixels = |side: Option<i64>| side.and_then(|side| u32::try_from(side).ok());
        ImageSummary {
            id: id_of(self.id),
            path: self.path,
            person: self.person,
            status,
            reason: self.reason.filter(|_| status == Some(Status::Failed)),
            size: pixels(self.width).zip(pixels(self.height)),
            face: self.face.face(),
        }
    }
}

impl Store {
    /// Photos, newest first; page 0 is the first.
    pub async fn page(&self, filter: &Filter, page: u32, size: u32) -> Result<Page, StoreError> {
        let mut conditions = Vec::new();
        if let Some(status) = filter.status {
            conditions.push(format!("images.status = {}", status as i32));
        }
        if let Some(text) = &filter.person {
            // Compared here: SQLite knows the case of ASCII alone.
            let text = text.to_lowercase();
            let people: Vec<(i64, String)> =
                on_database!(self, |pool, D| sqlx::query_as("select id, name from person").fetch_all(pool).await)?;
            let keys: Vec<i64> =
                people.into_iter().filter(|person| person.1.to_lowercase().contains(&text)).map(|row| row.0).collect();
            if keys.is_empty() {
                return Ok(Page { images: Vec::new(), total: 0 });
            }
            conditions.push(format!("images.status = 1 and images.person in ({})", list(&keys)));
        }
        let condition = if conditions.is_empty() { "1 = 1".to_owned() } else { conditions.join(" and ") };
        let offset = (u64::from(page) * u64::from(size)).min(i64::MAX as u64);
        let count = format!("select count(*) from images where {condition}");
        let select = format!(
            "select {COLUMNS}, {FACE_COLUMNS} from {TABLES} where {condition} \
             order by images.id desc limit {size} offset {offset}"
        );
        let (total, rows): (i64, Vec<SummaryRow>) = on_database!(self, |pool, D| {
            let total = sqlx::query_scalar(AssertSqlSafe(count)).persistent(false).fetch_one(pool).await?;
            let rows = sqlx::query_as(AssertSqlSafe(select)).persistent(false).fetch_all(pool).await?;
            Ok((total, rows))
        })?;
        Ok(Page {
            images: rows.into_iter().map(SummaryRow::summary).collect(),
            total: u64::try_from(total).unwrap_or_default(),
        })
    }

    /// One photo with its faces.
    pub async fn image(&self, id: ImageId) -> Result<Option<ImageDetail>, StoreError> {
        let select = format!("select {COLUMNS}, {FACE_COLUMNS} from {TABLES} where images.id = ?");
        let faces = format!("select {FACE_COLUMNS} from image_faces as face where face.image_id = ? order by position");
        let (row, faces): (Option<SummaryRow>, Vec<FaceRow>) = on_database!(self, |pool, D| {
            let row = sqlx::query_as(AssertSqlSafe(select)).bind(key(id)).fetch_optional(pool).await?;
            let faces = sqlx::query_as(AssertSqlSafe(faces)).bind(key(id)).fetch_all(pool).await?;
            Ok((row, faces))
        })?;
        Ok(row.map(|row| ImageDetail {
            attempts: row.attempts.and_then(|attempts| u32::try_from(attempts).ok()).unwrap_or_default(),
            faces: faces.into_iter().filter_map(FaceRow::face).collect(),
            summary: row.summary(),
        }))
    }
}
