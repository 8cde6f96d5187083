//! The store on SQLite and on MariaDB, one test after another on both.

mod databases;

use std::collections::HashSet;
use std::time::Duration;

use facerecog_pipeline::image::{FoundFace, Image, ImageId, KnownFace, Recognition, Status};
use facerecog_pipeline::store::{Added, Claim, Filter, RedeemPolicy, Store, StoreError};
use tokio::task::JoinSet;

const HOUR: Duration = Duration::from_secs(3600);

/// Everything may be tried at once, three times.
const AT_ONCE: RedeemPolicy =
    RedeemPolicy { max_attempts: 3, first_delay: Duration::ZERO, longest_delay: Duration::ZERO, stuck_after: HOUR };

async fn add(store: &Store, path: &str) -> ImageId {
    match store.add_images(&[path.to_owned()]).await.expect("the photo is stored")[..] {
        [Added::Saved(id)] => id,
        ref other => panic!("{path}: {other:?}"),
    }
}

async fn claim(store: &Store, id: ImageId) -> Image {
    match store.claim(id, HOUR).await.expect("the database answers") {
        Claim::Claimed(image) => image,
        other => panic!("{id}: {other:?}"),
    }
}

async fn status(store: &Store, id: ImageId) -> Option<Status> {
    store.image(id).await.expect("the database answers").expect("the row is there").summary.status
}

fn strings(paths: &[&str]) -> Vec<String> {
    paths.iter().map(|&path| path.to_owned()).collect()
}

fn two_faces() -> Recognition {
    let face = |x: f32, known| FoundFace { x, y: 20.5, width: 30.25, height: 40.0, score: 0.99, known };
    let known = |image_name: &str, similarity| {
        Some(KnownFace { image_name: image_name.to_owned(), person: "Hannibal".to_owned(), similarity })
    };
    Recognition {
        width: 640,
        height: 480,
        image_name: Some("hannibal_1.jpg".to_owned()),
        faces: vec![
            face(1.0, None),
            face(2.0, known("hannibal_1.jpg", 0.875)),
            face(3.0, known("hannibal_2.jpg", 0.9375)),
        ],
    }
}

#[tokio::test]
async fn a_batch_is_stored_once_and_in_the_outbox() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        // Case, accents and blanks at the end are one to MySQL's collation, and other files to the recognizer.
        let paths = strings(&["/a.jpg", "/A.jpg", "/a.jpg", "/a.jpg ", "/á.jpg", "/😀'\"\\%_;--.jpg"]);
        let added = store.add_images(&paths).await.unwrap();
        let ids: Vec<ImageId> = added
            .iter()
            .filter_map(|added| match added {
                Added::Saved(id) => Some(*id),
                Added::AlreadyThere => None,
            })
            .collect();
        assert_eq!(added[2], Added::AlreadyThere, "{}", database.url);
        assert_eq!(ids.iter().collect::<HashSet<_>>().len(), 5);
        for (path, added) in paths.iter().zip(&added) {
            if let Added::Saved(id) = added {
                assert_eq!(&store.image(*id).await.unwrap().unwrap().summary.path, path);
            }
        }
        assert_eq!(store.add_images(&paths).await.unwrap(), [Added::AlreadyThere; 6]);
        assert_eq!(database.number("select count(*) from images where person = -1 and status = 0").await, 5);

        let mut unqueued = store.unqueued(Duration::ZERO, 100).await.unwrap();
        unqueued.sort_unstable();
        let mut sorted = ids.clone();
        sorted.sort_unstable();
        assert_eq!(unqueued, sorted);
        assert_eq!(store.unqueued(Duration::ZERO, 2).await.unwrap().len(), 2);
        assert_eq!(store.unqueued(HOUR, 100).await.unwrap(), []);
        store.queued(&ids[1..]).await.unwrap();
        assert_eq!(store.unqueued(Duration::ZERO, 100).await.unwrap(), [ids[0]]);
        store.queued(&[]).await.unwrap();
        assert_eq!(store.add_images(&[]).await.unwrap(), []);
    }
}

#[tokio::test]
async fn a_batch_is_stored_whole_or_not_at_all() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let mut paths: Vec<String> = (0..1200).map(|number| format!("/{number}.jpg")).collect();
        paths.push("x".repeat(256));
        let error = store.add_images(&paths).await.unwrap_err();
        assert!(matches!(error, StoreError::Refused(_)), "{error}");
        for table in ["images", "image_work", "outbox"] {
            assert_eq!(database.number(&format!("select count(*) from {table}")).await, 0, "{table}");
        }
        paths.pop();
        let added = store.add_images(&paths).await.unwrap();
        assert!(added.iter().all(|added| matches!(added, Added::Saved(_))));
        assert_eq!(database.number("select count(*) from outbox").await, 1200);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn batches_at_once_store_each_path_once() {
    for database in databases::each().await {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let store = Store::connect(&database.url).await.unwrap();
            tasks.spawn(async move {
                let mut paths: Vec<String> = (0..40).map(|path| format!("/{path}.jpg")).collect();
                paths.rotate_left(number * 7 % 40);
                let added = store.add_images(&paths).await.unwrap();
                added.iter().filter(|added| matches!(added, Added::Saved(_))).count()
            });
        }
        assert_eq!(tasks.join_all().await.iter().sum::<usize>(), 40);
        assert_eq!(database.number("select count(*) from images").await, 40);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_claims_one_wins() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let paths: Vec<String> = (0..20).map(|number| format!("/{number}.jpg")).collect();
        store.add_images(&paths).await.unwrap();
        let ids = store.unqueued(Duration::ZERO, 100).await.unwrap();
        let mut tasks = JoinSet::new();
        for _ in 0..6 {
            // Connections of its own, as another process has.
            let store = Store::connect(&database.url).await.unwrap();
            for id in ids.clone() {
                let store = store.clone();
                tasks.spawn(async move { store.claim(id, HOUR).await.unwrap() });
            }
        }
        let claims = tasks.join_all().await;
        let won: Vec<&Image> = claims
            .iter()
            .filter_map(|claim| match claim {
                Claim::Claimed(image) => Some(image),
                Claim::Taken => None,
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(won.len(), 20);
        assert_eq!(won.iter().map(|image| image.id).collect::<HashSet<_>>().len(), 20);
        assert!(won.iter().all(|image| image.attempts == 1));
    }
}

#[tokio::test]
async fn what_is_no_row_cannot_be_claimed() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        for id in [0, 1, u64::MAX, i64::MAX as u64, u64::from(u32::MAX) + 1] {
            assert_eq!(store.claim(ImageId(id), HOUR).await.unwrap(), Claim::Missing, "{id}");
            assert_eq!(store.image(ImageId(id)).await.unwrap(), None);
            assert!(!store.retry(ImageId(id)).await.unwrap());
        }
    }
}

#[tokio::test]
async fn whoever_lost_a_photo_changes_nothing() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let person = store.person_or_new("hannibal_1.jpg", "Hannibal").await.unwrap();
        let id = add(&store, "/a.jpg").await;
        let Claim::Claimed(late) = store.claim(id, Duration::ZERO).await.unwrap() else { panic!("claimed") };
        assert_eq!(store.claim(id, HOUR).await.unwrap(), Claim::Taken);
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), [id]);
        // PENDING again, and not the first one's any more.
        assert!(!store.failed(&late, "late", None).await.unwrap());
        let image = claim(&store, id).await;
        assert_eq!(image.attempts, 2);
        assert!(!store.processed(&late, &person, &two_faces()).await.unwrap());
        assert!(!store.failed(&late, "late", None).await.unwrap());
        store.release(&late).await.unwrap();
        store.extend(&late, Duration::ZERO).await.unwrap();
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), []);
        assert_eq!(status(&store, id).await, Some(Status::Processing));
        assert!(store.processed(&image, &person, &two_faces()).await.unwrap());
        assert!(!store.processed(&image, &person, &two_faces()).await.unwrap());
        assert_eq!(store.claim(id, HOUR).await.unwrap(), Claim::Taken);
    }
}

#[tokio::test]
async fn a_lease_holds_until_it_ends() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let id = add(&store, "/a.jpg").await;
        let Claim::Claimed(image) = store.claim(id, Duration::ZERO).await.unwrap() else { panic!("claimed") };
        store.extend(&image, HOUR).await.unwrap();
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), []);
        store.extend(&image, Duration::ZERO).await.unwrap();
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), [id]);
    }
}

#[tokio::test]
async fn a_photo_that_is_given_back_was_not_tried() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let id = add(&store, "/a.jpg").await;
        for _ in 0..5 {
            let image = claim(&store, id).await;
            assert_eq!(image.attempts, 1);
            store.release(&image).await.unwrap();
            assert_eq!(status(&store, id).await, Some(Status::Pending));
            assert!(!store.failed(&image, "given back", None).await.unwrap());
        }
    }
}

#[tokio::test]
async fn failed_photos_are_tried_as_the_policy_says() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let policy = RedeemPolicy { max_attempts: 4, first_delay: HOUR, longest_delay: 3 * HOUR, stuck_after: HOUR };
        let id = add(&store, "/a.jpg").await;
        store.queued(&[id]).await.unwrap();
        // Hours that have to pass after each try: 1, 2, and no more than 3.
        for (attempts, hours) in [(1, 1), (2, 2), (3, 3)] {
            let image = claim(&store, id).await;
            assert_eq!(image.attempts, attempts);
            assert!(store.failed(&image, "no face", None).await.unwrap());
            assert_eq!(store.redeem(&policy, 100).await.unwrap(), []);
            let almost = hours * 3_600_000 - 60_000;
            database.execute(&format!("update image_work set since = since - {almost}")).await;
            assert_eq!(store.redeem(&policy, 100).await.unwrap(), [], "{hours} h less a minute");
            database.execute("update image_work set since = since - 60000").await;
            assert_eq!(store.redeem(&policy, 100).await.unwrap(), [id], "{hours} h");
            assert_eq!(store.unqueued(Duration::ZERO, 100).await.unwrap(), [id]);
            assert_eq!(store.redeem(&policy, 100).await.unwrap(), [], "only once");
        }
        let image = claim(&store, id).await;
        assert!(store.failed(&image, "no face", None).await.unwrap());
        database.execute("update image_work set since = 0").await;
        assert_eq!(store.redeem(&policy, 100).await.unwrap(), [], "four tries are all");
        assert_eq!(store.image(id).await.unwrap().unwrap().summary.reason.as_deref(), Some("no face"));

        // Somebody asks for another try: all of them begin anew.
        store.queued(&[id]).await.unwrap();
        assert!(store.retry(id).await.unwrap());
        assert!(!store.retry(id).await.unwrap());
        assert_eq!(store.unqueued(Duration::ZERO, 100).await.unwrap(), [id]);
        assert_eq!(claim(&store, id).await.attempts, 1);
    }
}

#[tokio::test]
async fn a_photo_that_ends_its_processors_is_given_up() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let policy = RedeemPolicy { max_attempts: 3, first_delay: HOUR, longest_delay: HOUR, stuck_after: HOUR };
        let id = add(&store, "/a.jpg").await;
        let lost = async || assert!(matches!(store.claim(id, Duration::ZERO).await.unwrap(), Claim::Claimed(_)));
        lost().await;
        assert_eq!(store.redeem(&policy, 100).await.unwrap(), [id]);
        lost().await;
        assert_eq!(store.redeem(&policy, 100).await.unwrap(), [id]);
        // After the second time it has to wait.
        let Claim::NotYet(wait) = store.claim(id, HOUR).await.unwrap() else { panic!("not yet") };
        assert!(wait > HOUR * 2 && wait <= HOUR * 3 || wait > HOUR / 2 && wait <= HOUR, "{wait:?}");
        // However long it waits: its message is there, and comes until then.
        store.queued(&[id]).await.unwrap();
        database.execute("update image_work set since = since - 3600000").await;
        assert_eq!(store.redeem(&policy, 100).await.unwrap(), []);
        // Nothing is there where the queue has ended with its process.
        let anew = RedeemPolicy { stuck_after: Duration::ZERO, ..policy };
        assert_eq!(store.redeem(&anew, 100).await.unwrap(), [id]);
        store.queued(&[id]).await.unwrap();
        database.execute("update image_work set not_before = 1, since = since - 3600000").await;
        assert_eq!(store.redeem(&policy, 100).await.unwrap(), [id]);
        lost().await;
        assert_eq!(store.redeem(&policy, 100).await.unwrap(), []);
        let detail = store.image(id).await.unwrap().unwrap();
        assert_eq!((detail.summary.status, detail.attempts), (Some(Status::Failed), 3));
        assert!(detail.summary.reason.unwrap().contains("without an answer"));
    }
}

#[tokio::test]
async fn no_more_are_redeemed_than_asked_for() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let paths: Vec<String> = (0..30).map(|number| format!("/{number}.jpg")).collect();
        store.add_images(&paths).await.unwrap();
        let ids = store.unqueued(Duration::ZERO, 100).await.unwrap();
        store.queued(&ids).await.unwrap();
        for id in &ids[..15] {
            let image = claim(&store, *id).await;
            store.failed(&image, "no face", None).await.unwrap();
        }
        for id in &ids[15..] {
            assert!(matches!(store.claim(*id, Duration::ZERO).await.unwrap(), Claim::Claimed(_)));
        }
        let mut all = Vec::new();
        for expected in [20, 10, 0] {
            let some = store.redeem(&AT_ONCE, 20).await.unwrap();
            assert_eq!(some.len(), expected);
            all.extend(some);
        }
        all.sort_unstable();
        assert_eq!(all, ids);
    }
}

#[tokio::test]
async fn a_lost_message_is_queued_again() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let (id, other) = (add(&store, "/a.jpg").await, add(&store, "/b.jpg").await);
        store.queued(&[id]).await.unwrap();
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), []);
        database.execute("update image_work set since = since - 3600000").await;
        // The other one is in the outbox, which queues it anyway.
        assert_eq!(store.redeem(&AT_ONCE, 100).await.unwrap(), [id]);
        assert_eq!(store.unqueued(Duration::ZERO, 100).await.unwrap().len(), 2);
        store.queued(&[id, other]).await.unwrap();
        assert_eq!(claim(&store, id).await.attempts, 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn processors_and_redeemers_at_once_settle_each_photo_once() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let person = store.person_or_new("hannibal_1.jpg", "Hannibal").await.unwrap();
        let paths: Vec<String> = (0..60).map(|number| format!("/{number}.jpg")).collect();
        store.add_images(&paths).await.unwrap();
        let ids = store.unqueued(Duration::ZERO, 100).await.unwrap();
        let mut tasks = JoinSet::new();
        for number in 0..4 {
            let store = Store::connect(&database.url).await.unwrap();
            let (ids, person) = (ids.clone(), person.clone());
            tasks.spawn(async move {
                let mut settled = 0;
                for round in 0..6 {
                    for id in &ids {
                        // Every third claim is over at once, and may be redeemed while it is worked on.
                        let lease = if (id.0 + round) % 3 == 0 { Duration::ZERO } else { HOUR };
                        if let Claim::Claimed(image) = store.claim(*id, lease).await.unwrap() {
                            if (id.0 + round + number) % 2 == 0 {
                                settled += usize::from(store.processed(&image, &person, &two_faces()).await.unwrap());
                            } else {
                                store.failed(&image, "no face", Some(&two_faces())).await.unwrap();
                            }
                        }
                    }
                    store.redeem(&RedeemPolicy { max_attempts: 1000, ..AT_ONCE }, 100).await.unwrap();
                }
                settled
            });
        }
        let settled: usize = tasks.join_all().await.iter().sum();
        let processed = database.number("select count(*) from images where status = 1").await;
        assert_eq!(settled as i64, processed);
        assert!(processed > 0);
        // Faces are written with their row, never beside it.
        let faces = database.number("select count(*) from image_faces").await;
        assert_eq!(faces % 3, 0);
    }
}

#[tokio::test]
async fn a_settled_photo_has_its_faces() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let person = store.person_or_new("hannibal_1.jpg", "Hannibal").await.unwrap();
        let (processed, failed) = (add(&store, "/a.jpg").await, add(&store, "/b.jpg").await);
        let image = claim(&store, processed).await;
        assert!(store.processed(&image, &person, &two_faces()).await.unwrap());
        let detail = store.image(processed).await.unwrap().unwrap();
        assert_eq!(detail.faces, two_faces().faces);
        // hannibal_2.jpg is nearer to its face, but hannibal_1.jpg was the answer.
        assert_eq!(detail.summary.face, Some(two_faces().faces[1].clone()));
        assert_eq!(detail.summary.size, Some((640, 480)));
        assert_eq!(detail.summary.person.as_deref(), Some("Hannibal"));
        assert_eq!((detail.summary.status, detail.attempts), (Some(Status::Processed), 1));
        assert_eq!(detail.summary.reason, None);

        let image = claim(&store, failed).await;
        let mut found = two_faces();
        found.image_name = None;
        found.faces.truncate(1);
        found.faces[0].score = f32::NAN;
        assert!(store.failed(&image, &"😀".repeat(5000), Some(&found)).await.unwrap());
        let detail = store.image(failed).await.unwrap().unwrap();
        assert_eq!((detail.faces.len(), detail.faces[0].score, detail.summary.face), (1, 0.0, None));
        assert_eq!(detail.summary.reason.unwrap().chars().count(), 1000);
        assert_eq!(detail.summary.person, None);

        // Another try forgets the faces of the one before.
        assert!(store.retry(failed).await.unwrap());
        let image = claim(&store, failed).await;
        assert!(store.processed(&image, &person, &Recognition::default()).await.unwrap());
        let detail = store.image(failed).await.unwrap().unwrap();
        assert_eq!((detail.faces, detail.summary.size, detail.summary.reason), (vec![], None, None));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_person_is_stored_once() {
    for database in databases::each().await {
        let mut tasks = JoinSet::new();
        for number in 0..16 {
            let store = Store::connect(&database.url).await.unwrap();
            tasks.spawn(async move {
                store.person_or_new(&format!("hannibal_{}.jpg", number % 2), "Hannibal").await.unwrap()
            });
        }
        let people = tasks.join_all().await;
        assert_eq!(people.iter().map(|person| person.id).collect::<HashSet<_>>().len(), 1);
        assert_eq!(database.number("select count(*) from person").await, 1);
        assert_eq!(database.number("select count(*) from person_images").await, 2);

        let store = Store::connect(&database.url).await.unwrap();
        assert_eq!(store.person_of("hannibal_1.jpg").await.unwrap(), Some(people[0].clone()));
        // The recognizer's names are files: another case is another file.
        for name in ["Hannibal_1.jpg", "hannibal_1.jpg ", "hannibal_3.jpg", "", "%"] {
            assert_eq!(store.person_of(name).await.unwrap(), None, "{name:?}");
        }
        let other = store.person_or_new("Hannibal_1.jpg", "hannibal").await.unwrap();
        assert_ne!(other.id, people[0].id);
        assert_eq!(store.person_or_new("hannibal_0.jpg", "Somebody").await.unwrap(), people[0]);
        let long = "é".repeat(300);
        assert_eq!(store.person_or_new("long.jpg", &long).await.unwrap().name.chars().count(), 255);
        assert_eq!(store.person_or_new("long2.jpg", &long).await.unwrap().name.chars().count(), 255);
        assert_eq!(database.number("select count(*) from person").await, 3);
    }
}

#[tokio::test]
async fn pages_show_what_was_asked_for() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let jose = store.person_or_new("jose.jpg", "JOSÉ Álvarez").await.unwrap();
        let john = store.person_or_new("john.jpg", "John 100%").await.unwrap();
        let paths: Vec<String> = (0..7).map(|number| format!("/{number}.jpg")).collect();
        store.add_images(&paths).await.unwrap();
        let mut ids = store.unqueued(Duration::ZERO, 100).await.unwrap();
        ids.sort_unstable();
        for (number, person) in [(0, &jose), (1, &john), (2, &jose)] {
            let image = claim(&store, ids[number]).await;
            store.processed(&image, person, &Recognition::default()).await.unwrap();
        }
        let image = claim(&store, ids[3]).await;
        store.failed(&image, "no face", None).await.unwrap();

        let newest_first: Vec<ImageId> = ids.iter().rev().copied().collect();
        let shown = async |filter: &Filter, page, size| {
            let page = store.page(filter, page, size).await.unwrap();
            (page.images.iter().map(|image| image.id).collect::<Vec<_>>(), page.total)
        };
        let all = Filter::default();
        assert_eq!(shown(&all, 0, 3).await, (newest_first[..3].to_vec(), 7));
        assert_eq!(shown(&all, 2, 3).await, (newest_first[6..].to_vec(), 7));
        assert_eq!(shown(&all, 3, 3).await, (vec![], 7));
        assert_eq!(shown(&all, u32::MAX, u32::MAX).await, (vec![], 7));
        let with_status = |status| Filter { status: Some(status), person: None };
        assert_eq!(shown(&with_status(Status::Failed), 0, 9).await, (vec![ids[3]], 1));
        assert_eq!(shown(&with_status(Status::Pending), 0, 9).await.1, 3);
        let named = |text: &str| Filter { status: None, person: Some(text.to_owned()) };
        assert_eq!(shown(&named("josé"), 0, 9).await, (vec![ids[2], ids[0]], 2));
        assert_eq!(shown(&named("ÁLV"), 0, 9).await.1, 2);
        assert_eq!(shown(&named("%"), 0, 9).await, (vec![ids[1]], 1));
        assert_eq!(shown(&named("' or 1=1 --"), 0, 9).await, (vec![], 0));
        let both = Filter { status: Some(Status::Failed), person: Some("jos".to_owned()) };
        assert_eq!(shown(&both, 0, 9).await, (vec![], 0));

        let people = store.people().await.unwrap();
        let mut rows: Vec<_> = people.iter().map(|p| (p.name.as_str(), p.enrolled, p.seen)).collect();
        rows.sort_unstable();
        assert_eq!(rows, [("JOSÉ Álvarez", 1, 2), ("John 100%", 1, 1)]);
    }
}

#[tokio::test]
async fn the_version_grows_with_every_change() {
    for database in databases::each().await {
        let store = Store::connect(&database.url).await.unwrap();
        let person = store.person_or_new("hannibal_1.jpg", "Hannibal").await.unwrap();
        let mut last = store.version().await.unwrap();
        let mut grown = async |what: &str| {
            let version = store.version().await.unwrap();
            assert!(version > last, "{what}: {version} after {last}");
            assert_eq!(store.version().await.unwrap(), version, "nothing happened after {what}");
            last = version;
        };
        let id = add(&store, "/a.jpg").await;
        grown("a photo").await;
        let image = claim(&store, id).await;
        grown("a claim").await;
        store.failed(&image, "no face", None).await.unwrap();
        grown("a failure").await;
        store.redeem(&AT_ONCE, 10).await.unwrap();
        grown("redeeming").await;
        let image = claim(&store, id).await;
        grown("a claim").await;
        store.processed(&image, &person, &two_faces()).await.unwrap();
        grown("an answer").await;
        database.execute("insert into images (path, person, status) values ('/b.jpg', -1, 0)").await;
        grown("the original receiver").await;
        database.execute("update images set status = 3 where path = '/b.jpg'").await;
        grown("the original processor's claim").await;
        database.execute("update images set status = 1, person = 1 where path = '/b.jpg'").await;
        grown("the original processor's answer").await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn services_that_start_at_once_find_their_tables() {
    for database in databases::each().await {
        let mut tasks = JoinSet::new();
        for _ in 0..12 {
            let url = database.url.clone();
            tasks.spawn(async move { Store::connect(&url).await?.ping().await });
        }
        for done in tasks.join_all().await {
            done.unwrap();
        }
        let store = Store::connect(&database.url).await.unwrap();
        add(&store, "/a.jpg").await;
        // A later version's table is none of ours.
        database
            .execute(
                "insert into _sqlx_migrations (version, description, success, checksum, execution_time) \
                 values (9999, 'later', 1, 'x', 1)",
            )
            .await;
        Store::connect(&database.url).await.unwrap();
    }
}

#[tokio::test]
async fn a_wrong_address_is_told_without_its_password() {
    for url in ["", "photos.db", "postgres://u:secret@db/kube", "mysql://u:secret@db", "mysql://u:secret@db:port/kube"]
    {
        let error = Store::connect(url).await.unwrap_err();
        assert!(matches!(error, StoreError::Address { .. }), "{url}: {error}");
        assert!(!error.to_string().contains("secret"), "{error}");
    }
    let error = Store::connect("sqlite:/no/such/folder/photos.db").await.unwrap_err();
    assert!(matches!(error, StoreError::Refused(_)), "{error}");
}
