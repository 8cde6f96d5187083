//! Whether a service can do its work.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::time::{Instant, timeout};

use super::Stop;

/// How long a part may take to answer.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(2);

/// How long an answer is good: however many ask, parts are not asked more often.
const GOOD_FOR: Duration = Duration::from_secs(1);

/// Nothing, or why not.
type Answer = Result<(), String>;

type Question = Pin<Box<dyn Future<Output = Answer> + Send>>;

/// The parts that a service needs. Clones ask the same.
#[derive(Clone, Default)]
pub struct Readiness {
    parts: Arc<Vec<Part>>,
    stop: Option<Stop>,
    last: Arc<Mutex<Option<(Instant, Answer)>>>,
}

struct Part {
    name: &'static str,
    ask: Box<dyn Fn() -> Question + Send + Sync>,
}

impl Readiness {
    /// Of a service that needs nothing yet, and is not ready any more from `stop` on.
    pub fn until(stop: Stop) -> Self {
        Self { stop: Some(stop), ..Self::default() }
    }

    /// A part that it needs, and how that is asked whether it answers.
    ///
    /// # Panics
    /// When it has been cloned already.
    #[must_use]
    pub fn with<F, E>(mut self, name: &'static str, ask: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<(), E>> + Send + 'static,
        E: fmt::Display,
    {
        let ask = Box::new(move || -> Question {
            let answer = ask();
            Box::pin(async { answer.await.map_err(|error| error.to_string()) })
        });
        Arc::get_mut(&mut self.parts).expect("parts are told before clones are made").push(Part { name, ask });
        self
    }

    /// Nothing when every part answers, else which does not.
    ///
    /// # Errors
    /// The first part that does not answer, and why.
    pub async fn check(&self) -> Result<(), String> {
        if self.stop.as_ref().is_some_and(Stop::has_come) {
            return Err("stopping".to_owned());
        }
        let mut last = self.last.lock().await;
        if let Some((when, answer)) = &*last
            && when.elapsed() < GOOD_FOR
        {
            return answer.clone();
        }
        let answer = self.ask().await;
        *last = Some((Instant::now(), answer.clone()));
        answer
    }

    async fn ask(&self) -> Answer {
        for part in &*self.parts {
            match timeout(ANSWER_TIMEOUT, (part.ask)()).await {
                Ok(Ok(())) => {}
                Ok(Err(reason)) => return Err(format!("{}: {reason}", part.name)),
                Err(_) => return Err(format!("{}: no answer within {} s", part.name, ANSWER_TIMEOUT.as_secs())),
            }
        }
        Ok(())
    }
}

impl fmt::Debug for Readiness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.parts.iter().map(|part| part.name)).finish()
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[tokio::test]
    async fn the_part_that_does_not_answer_is_named() {
        let readiness = Readiness::default()
            .with("database", async || Ok::<_, Infallible>(()))
            .with("queue", async || Err("nobody is there"));
        assert_eq!(readiness.check().await, Err("queue: nobody is there".to_owned()));
    }

    #[tokio::test]
    async fn many_who_ask_are_one_question() {
        static ASKED: AtomicUsize = AtomicUsize::new(0);
        let readiness = Readiness::default().with("database", async || {
            ASKED.fetch_add(1, Ordering::Relaxed);
            Ok::<_, Infallible>(())
        });
        for _ in 0..100 {
            readiness.clone().check().await.unwrap();
        }
        // More than one only when a hundred answers took longer than one is good for.
        assert!(ASKED.load(Ordering::Relaxed) < 100);
    }

    #[tokio::test]
    async fn who_stops_is_not_ready() {
        let (stopper, stop) = Stop::by_hand();
        let readiness = Readiness::until(stop);
        readiness.check().await.unwrap();
        drop(stopper);
        assert_eq!(readiness.check().await, Err("stopping".to_owned()));
    }
}
