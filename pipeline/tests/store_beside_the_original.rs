//! The original services' SQL on our rows, and our store on theirs, on MariaDB.

mod databases;

use std::time::Duration;

use databases::TestDatabase;
use facerecog_pipeline::image::{Recognition, Status};
use facerecog_pipeline::store::{Added, Claim, Filter, RedeemPolicy, Store, StoreError};
use sqlx::{Connection, MySqlConnection, Row};

const HOUR: Duration = Duration::from_secs(3600);
const AT_ONCE: RedeemPolicy =
    RedeemPolicy { max_attempts: 3, first_delay: Duration::ZERO, longest_delay: Duration::ZERO, stuck_after: HOUR };

async fn connection(database: &TestDatabase) -> MySqlConnection {
    MySqlConnection::connect(&database.url).await.expect("the server answers")
}

/// Columns of a table, in order, with all that is said of them.
async fn columns(database: &TestDatabase, table: &str) -> Vec<String> {
    let rows = sqlx::query(
        "select cast(concat_ws(' ', column_name, column_type, is_nullable, coalesce(column_default, '-'), extra, \
         coalesce(character_set_name, '-')) as char) from information_schema.columns \
         where table_schema = database() and table_name = ? order by ordinal_position",
    )
    .bind(table)
    .fetch_all(&mut connection(database).await)
    .await
    .expect("the columns are listed");
    rows.iter().map(|row| row.get(0)).collect()
}

#[tokio::test]
async fn the_originals_tables_stay_as_they_were() {
    for charset in ["utf8mb4", "latin1"] {
        let database = databases::mariadb().await;
        database.execute(&databases::original_tables(charset)).await;
        let mut before = Vec::new();
        for table in ["images", "person", "person_images"] {
            before.push(columns(&database, table).await);
        }
        let store = Store::connect(&database.url).await.unwrap();
        for (table, before) in ["images", "person", "person_images"].into_iter().zip(before) {
            assert!(before.len() >= 2);
            assert_eq!(columns(&database, table).await, before);
        }
        assert_eq!(database.number("select count(*) from person").await, 4);
        let people = store.people().await.unwrap();
        let names: Vec<_> = people.iter().map(|person| (person.name.as_str(), person.enrolled)).collect();
        assert_eq!(names, [("Gergely", 1), ("Hannibal", 2), ("John Doe", 1), ("Skarlso", 2)]);
        assert_eq!(store.person_of("skarlso_2.jpg").await.unwrap().map(|person| person.id), Some(2));
    }
}

#[tokio::test]
async fn tables_of_ours_have_the_originals_columns() {
    let (ours, theirs) = (databases::mariadb().await, databases::mariadb().await);
    Store::connect(&ours.url).await.unwrap();
    theirs.execute(&databases::original_tables("utf8mb4")).await;
    for table in ["images", "person", "person_images"] {
        assert_eq!(columns(&ours, table).await, columns(&theirs, table).await);
    }
}

#[tokio::test]
async fn the_originals_queries_work_on_our_rows() {
    let database = databases::mariadb().await;
    database.execute(&databases::original_tables("utf8mb4")).await;
    let store = Store::connect(&database.url).await.unwrap();
    let mut sql = connection(&database).await;
    let added = store.add_images(&["/a.jpg".to_owned(), "/b.jpg".to_owned()]).await.unwrap();
    let [Added::Saved(a), Added::Saved(b)] = added[..] else { panic!("{added:?}") };

    // The receiver looks whether a path is there.
    let there = sqlx::query("select * from images where path = ?").bind("/a.jpg").fetch_all(&mut sql).await.unwrap();
    assert_eq!((there.len(), there[0].columns().len()), (1, 4));
    // The processor loads the row by position.
    let row = sqlx::query("select * from images where id = ?").bind(a.0 as i64).fetch_one(&mut sql).await.unwrap();
    let row = (row.get::<i32, _>(0), row.get::<String, _>(1), row.get::<i32, _>(2), row.get::<i32, _>(3));
    assert_eq!(row, (a.0 as i32, "/a.jpg".to_owned(), -1, 0));

    // It takes one photo, and ours the other.
    sqlx::query("update images set status = ? where id = ?").bind(3).bind(a.0 as i64).execute(&mut sql).await.unwrap();
    assert_eq!(store.claim(a, HOUR).await.unwrap(), Claim::Taken);
    let Claim::Claimed(image) = store.claim(b, HOUR).await.unwrap() else { panic!("claimed") };
    let lookup = "select person.name, person.id from person inner join person_images as pi \
                  on person.id = pi.person_id where image_name = ?";
    let row = sqlx::query(lookup).bind("hannibal_1.jpg").fetch_one(&mut sql).await.unwrap();
    assert_eq!((row.get::<String, _>(0), row.get::<i32, _>(1)), ("Hannibal".to_owned(), 1));
    sqlx::query("update images set person = ?, status = ? where id = ?")
        .bind(1)
        .bind(1)
        .bind(a.0 as i64)
        .execute(&mut sql)
        .await
        .unwrap();
    let skarlso = store.person_of("skarlso_1.jpg").await.unwrap().unwrap();
    assert!(store.processed(&image, &skarlso, &Recognition::default()).await.unwrap());
    // Somebody new is found by its lookup too.
    store.person_or_new("new_1.jpg", "New").await.unwrap();
    let row = sqlx::query(lookup).bind("new_1.jpg").fetch_one(&mut sql).await.unwrap();
    assert_eq!(row.get::<String, _>(0), "New");

    // The frontend shows both.
    let rows = sqlx::query("select * from images").fetch_all(&mut sql).await.unwrap();
    let rows: Vec<(i32, i32)> = rows.iter().map(|row| (row.get(2), row.get(3))).collect();
    assert_eq!(rows, [(1, 1), (2, 1)]);
    let people: Vec<_> = store.page(&Filter::default(), 0, 10).await.unwrap().images;
    let people: Vec<_> = people.iter().map(|image| image.person.as_deref()).collect();
    assert_eq!(people, [Some("Skarlso"), Some("Hannibal")]);
    // The redeemer takes every row that is not PROCESSED.
    assert_eq!(database.number("select count(*) from images where status != 1").await, 0);
}

#[tokio::test]
async fn rows_of_the_originals_are_processed() {
    for charset in ["utf8mb4", "latin1"] {
        let database = databases::mariadb().await;
        database.execute(&databases::original_tables(charset)).await;
        // Before ours is there at all, and after.
        let insert = "insert into images (path, person, status) values";
        database.execute(&format!("{insert} ('/old.jpg', -1, 0), ('/failed.jpg', -1, 2), ('/hangs.jpg', -1, 3)")).await;
        let store = Store::connect(&database.url).await.unwrap();
        database.execute(&format!("{insert} ('/new.jpg', -1, 0)")).await;
        let mut rows: Vec<_> =
            store.page(&Filter::default(), 0, 10).await.unwrap().images.iter().map(|image| image.id).collect();
        rows.reverse();
        let [old, failed, hangs, new] = rows[..] else { panic!("{rows:?}") };

        assert_eq!(store.add_images(&["/old.jpg".to_owned()]).await.unwrap(), [Added::AlreadyThere]);
        let hannibal = store.person_of("hannibal_1.jpg").await.unwrap().unwrap();
        for id in [old, new] {
            let Claim::Claimed(image) = store.claim(id, HOUR).await.unwrap() else { panic!("claimed") };
            assert_eq!(image.attempts, 1);
            assert!(store.processed(&image, &hannibal, &Recognition::default()).await.unwrap());
        }
        // How long it hangs already is not known: its hour begins with the first look.
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), [failed]);
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), []);
        database.execute("update image_work set since = since - 3600000").await;
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), [hangs]);
        let Claim::Claimed(image) = store.claim(hangs, HOUR).await.unwrap() else { panic!("claimed") };
        assert_eq!((image.path.as_str(), image.attempts), ("/hangs.jpg", 2));

        // The original's processor takes a photo back that ours lost: the late answer counts for nothing.
        let Claim::Claimed(late) = store.claim(failed, Duration::ZERO).await.unwrap() else { panic!("claimed") };
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), [failed]);
        database.execute("update images set status = 3 where path = '/failed.jpg'").await;
        assert!(!store.processed(&late, &hannibal, &Recognition::default()).await.unwrap());
        // It fails again, and again: that is counted too.
        database.execute("update images set status = 2 where path = '/failed.jpg'").await;
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), []);
        assert_eq!(store.image(failed).await.unwrap().unwrap().attempts, 3);
    }
}

#[tokio::test]
async fn odd_rows_are_shown_and_left_alone() {
    let database = databases::mariadb().await;
    database.execute(&databases::original_tables("utf8mb4")).await;
    let store = Store::connect(&database.url).await.unwrap();
    database
        .execute(
            "insert into images (path, person, status) values ('', null, null), ('/a.jpg', 999, 1), \
             ('/b.jpg', -2147483648, 7), ('/c.jpg', null, 2147483647), ('/d.jpg', null, -1), ('/e.jpg', null, 1);
             insert into person (name) values ('');
             insert into person_images (image_name, person_id) values (null, null), (null, 1), ('x.jpg', null), \
             ('y.jpg', 999), ('', 1);",
        )
        .await;
    let page = store.page(&Filter::default(), 0, 10).await.unwrap();
    let shown: Vec<_> = page.images.iter().map(|image| (image.status, image.person.clone())).collect();
    let processed = (Some(Status::Processed), None);
    assert_eq!(shown, [processed.clone(), (None, None), (None, None), (None, None), processed, (None, None)]);
    for image in &page.images {
        assert_eq!(store.claim(image.id, HOUR).await.unwrap(), Claim::Taken);
        assert!(!store.retry(image.id).await.unwrap());
        assert!(store.image(image.id).await.unwrap().is_some());
    }
    assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), []);
    for name in ["x.jpg", "y.jpg"] {
        assert_eq!(store.person_of(name).await.unwrap(), None);
    }
    assert_eq!(store.people().await.unwrap().len(), 5);
    let filter = Filter { status: None, person: Some(String::new()) };
    assert_eq!(store.page(&filter, 0, 10).await.unwrap().total, 0);
    store.version().await.unwrap();
    // PENDING, with nobody's number at all.
    database.execute("insert into images (path, person, status) values ('/f.jpg', null, 0)").await;
    let id = store.page(&Filter::default(), 0, 1).await.unwrap().images[0].id;
    let Claim::Claimed(image) = store.claim(id, HOUR).await.unwrap() else { panic!("claimed") };
    assert!(store.failed(&image, "no face", None).await.unwrap());
}

#[tokio::test]
async fn a_name_that_an_old_table_cannot_hold_is_refused() {
    let database = databases::mariadb().await;
    database.execute(&databases::original_tables("latin1")).await;
    let store = Store::connect(&database.url).await.unwrap();
    let added = store.add_images(&["/josé.jpg".to_owned()]).await.unwrap();
    let [Added::Saved(id)] = added[..] else { panic!("{added:?}") };
    assert_eq!(store.image(id).await.unwrap().unwrap().summary.path, "/josé.jpg");
    let error = store.add_images(&["/ok.jpg".to_owned(), "/人.jpg".to_owned()]).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
    assert_eq!(database.number("select count(*) from images").await, 1);
}

#[tokio::test]
async fn migrations_that_were_broken_off_are_done_again() {
    let database = databases::mariadb().await;
    Store::connect(&database.url).await.unwrap();
    // As after a SIGKILL on the way: some of the tables are there, and the migration is not marked as done.
    database
        .execute(
            "update _sqlx_migrations set success = false; drop table outbox; drop index facerecog_status on images",
        )
        .await;
    let store = Store::connect(&database.url).await.unwrap();
    assert!(matches!(store.add_images(&["/a.jpg".to_owned()]).await.unwrap()[..], [Added::Saved(_)]));
    let index = "select count(*) from information_schema.statistics where table_schema = database() \
                 and index_name = 'facerecog_status'";
    assert_eq!(database.number(index).await, 1);
}

#[tokio::test]
async fn a_database_that_comes_back_is_used_again() {
    let folder = tempfile::tempdir().unwrap();
    let url = databases::start_mariadb(folder.path(), None);
    let store = Store::connect(&url).await.unwrap();
    let added = store.add_images(&["/a.jpg".to_owned()]).await.unwrap();
    let [Added::Saved(id)] = added[..] else { panic!("{added:?}") };
    databases::kill_mariadb(folder.path());
    let error = store.claim(id, HOUR).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    assert!(matches!(store.ping().await.unwrap_err(), StoreError::Unavailable(_)));
    let error = Store::connect(&url).await.unwrap_err();
    assert!(matches!(error, StoreError::Unavailable(_)), "{error:?}");
    databases::start_mariadb(folder.path(), None);
    store.ping().await.unwrap();
    assert!(matches!(store.claim(id, HOUR).await.unwrap(), Claim::Claimed(_)));
    let wrong = url.replace("password123", "secret");
    let error = Store::connect(&wrong).await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error:?}");
    assert!(!error.to_string().contains("secret"), "{error}");
    databases::kill_mariadb(folder.path());
}
