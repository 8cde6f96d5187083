//! Photos that come in, and the outbox that holds their ids until they are queued.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use sqlx::{AssertSqlSafe, QueryBuilder};

use super::dialect::{Dialect, on_database, transaction};
use super::{Added, Store, StoreError, id_of, key, milliseconds};
use crate::image::{ImageId, Status};

/// Rows a statement at most: both databases limit the values that one may carry.
pub(super) const CHUNK: usize = 500;

impl Store {
    /// Stores photos as PENDING (person −1), all or none, in the outbox too.
    pub async fn add_images(&self, paths: &[String]) -> Result<Vec<Added>, StoreError> {
        // In one order whatever the batch: two batches never wait for each other's names.
        let mut names: Vec<&str> = paths.iter().map(String::as_str).collect();
        names.sort_unstable();
        names.dedup();
        if names.is_empty() {
            return Ok(Vec::new());
        }
        let mut saved: HashMap<String, i64> = transaction!(self, |tx, D| {
            if D::LOCKS_NAMES {
                for names in names.chunks(CHUNK) {
                    QueryBuilder::new("insert into name_locks (name) ")
                        .push_values(names, |mut row, name| {
                            row.push_bind(format!("path:{name}").into_bytes());
                        })
                        .push(" on duplicate key update name_locks.name = name_locks.name")
                        .build()
                        .execute(&mut *tx)
                        .await?;
                }
            }
            // Compared here: MySQL's collation takes `A.jpg` for `a.jpg`.
            let mut there: HashSet<String> = HashSet::new();
            for names in names.chunks(CHUNK) {
                let mut query = QueryBuilder::new("select path from images where path in ");
                query.push_tuples(names, |mut tuple, name| {
                    tuple.push_bind(*name);
                });
                there.extend(query.build_query_scalar::<String>().fetch_all(&mut *tx).await?);
            }
            let new: Vec<&str> = names.iter().copied().filter(|name| !there.contains(*name)).collect();
            let mut saved = HashMap::with_capacity(new.len());
            for names in new.chunks(CHUNK) {
                QueryBuilder::new("insert into images (path, person, status) ")
                    .push_values(names, |mut row, name| {
                        row.push_bind(*name).push("-1").push(Status::Pending as i32);
                    })
                    .build()
                    .execute(&mut *tx)
                    .await?;
                // Asked for, since keys of one insert need not follow each other on a cluster.
                let mut query = QueryBuilder::new("select id, path from images where path in ");
                query.push_tuples(names, |mut tuple, name| {
                    tuple.push_bind(*name);
                });
                query.push(" order by id");
                let rows: Vec<(i64, String)> = query.build_query_as().fetch_all(&mut *tx).await?;
                let rows: HashMap<String, i64> = rows.into_iter().map(|(id, path)| (path, id)).collect();
                let mut ids: Vec<i64> = Vec::with_capacity(names.len());
                for name in names {
                    let id = *rows.get(*name).ok_or(sqlx::Error::RowNotFound)?;
                    ids.push(id);
                    saved.insert((*name).to_owned(), id);
                }
                ids.sort_unstable();
                QueryBuilder::new("insert into image_work (image_id, status, since) ")
                    .push_values(&ids, |mut row, id| {
                        row.push_bind(*id).push(Status::Pending as i32).push(D::NOW);
                    })
                    .build()
                    .execute(&mut *tx)
                    .await?;
                QueryBuilder::new("insert into outbox (image_id, since) ")
                    .push_values(&ids, |mut row, id| {
                        row.push_bind(*id).push(D::NOW);
                    })
                    .build()
                    .execute(&mut *tx)
                    .await?;
            }
            if D::LOCKS_NAMES {
                for names in names.chunks(CHUNK) {
                    let mut query = QueryBuilder::new("delete from name_locks where name in ");
                    query.push_tuples(names, |mut tuple, name| {
                        tuple.push_bind(format!("path:{name}").into_bytes());
                    });
                    query.build().execute(&mut *tx).await?;
                }
            }
            Ok(saved)
        })?;
        // The first of equal paths is the one that was saved.
        Ok(paths
            .iter()
            .map(|path| saved.remove(path).map_or(Added::AlreadyThere, |id| Added::Saved(id_of(id))))
            .collect())
    }

    /// Photos that were stored `age` or longer ago and are in the outbox still, oldest first.
    pub async fn unqueued(&self, age: Duration, limit: u32) -> Result<Vec<ImageId>, StoreError> {
        let keys: Vec<i64> = on_database!(self, |pool, D| {
            let statement = format!(
                "select image_id from outbox where since <= {now} - ? order by since, image_id limit ?",
                now = D::NOW
            );
            sqlx::query_scalar(AssertSqlSafe(statement))
                .bind(milliseconds(age))
                .bind(i64::from(limit))
                .fetch_all(pool)
                .await
        })?;
        Ok(keys.into_iter().map(id_of).collect())
    }

    /// Takes photos out of the outbox.
    pub async fn queued(&self, ids: &[ImageId]) -> Result<(), StoreError> {
        let mut keys: Vec<i64> = ids.iter().copied().map(key).collect();
        keys.sort_unstable();
        if keys.is_empty() {
            return Ok(());
        }
        transaction!(self, |tx, D| {
            for keys in keys.chunks(CHUNK) {
                let mut query = QueryBuilder::new("delete from outbox where image_id in ");
                query.push_tuples(keys, |mut tuple, key| {
                    tuple.push_bind(*key);
                });
                query.build().execute(&mut *tx).await?;
            }
            Ok(())
        })
    }
}

/// Keys with commas between them.
pub(super) fn list(keys: &[i64]) -> String {
    keys.iter().map(i64::to_string).collect::<Vec<_>>().join(",")
}
