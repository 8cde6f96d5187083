//! Photos over one `RecognizeStream`: many under way at once, answers in any order.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::{mpsc, oneshot};
use tokio_stream::wrappers::ReceiverStream;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::contract::v1::recognize_stream_response::Result as PhotoResult;
use super::contract::v1::recognizer_client::RecognizerClient;
use super::contract::v1::{Photo, RecognizeStreamRequest, RecognizeStreamResponse, photo};

/// Largest answer: a hundred faces fit many times.
const LONGEST_ANSWER: usize = 16 << 20;

/// Why a stream gave no answer for a photo.
#[derive(Debug)]
pub(super) enum StreamEnd {
    /// It ended in good order without looking at the photo, as when the recognizer stops: another stream will.
    Closed,
    /// It broke.
    Broken(Status),
}

type Reply = oneshot::Sender<Result<PhotoResult, StreamEnd>>;

/// A stream that is open. Dropped, it ends once all photos under way are answered.
#[derive(Debug)]
pub(super) struct PhotoStream {
    requests: mpsc::Sender<RecognizeStreamRequest>,
    waiting: Arc<Waiting>,
}

impl PhotoStream {
    /// Opens a stream; UNIMPLEMENTED where the recognizer has none.
    pub(super) async fn open(channel: Channel) -> Result<Self, Status> {
        let (requests, receiver) = mpsc::channel(1);
        let mut client = RecognizerClient::new(channel).max_decoding_message_size(LONGEST_ANSWER);
        let answers = client.recognize_stream(ReceiverStream::new(receiver)).await?.into_inner();
        let waiting = Arc::new(Waiting(Mutex::new(Table { open: true, ..Table::default() })));
        tokio::spawn(read(answers, Arc::clone(&waiting)));
        Ok(Self { requests, waiting })
    }

    /// Whether it takes photos still.
    pub(super) fn is_open(&self) -> bool {
        self.waiting.table().open
    }

    /// Asks who is on the photo at `path`. Dropped, it forgets the answer; the recognizer gives it all the same.
    pub(super) async fn ask(&self, path: &str) -> Result<PhotoResult, StreamEnd> {
        let (reply, answer) = oneshot::channel();
        let Some(place) = Place::take(&self.waiting, reply) else { return Err(StreamEnd::Closed) };
        let request = RecognizeStreamRequest {
            id: place.id.to_string(),
            photo: Some(Photo { source: Some(photo::Source::Path(path.to_owned())) }),
            options: None,
        };
        // An error says that the stream has ended; why, the reader tells.
        let _ = self.requests.send(request).await;
        answer.await.unwrap_or(Err(StreamEnd::Closed))
    }
}

/// Hands out answers until there are no more, then tells all who still wait.
async fn read(mut answers: Streaming<RecognizeStreamResponse>, waiting: Arc<Waiting>) {
    let end = loop {
        match answers.message().await {
            Ok(Some(RecognizeStreamResponse { id, result: Some(result) })) => {
                let reply = id.parse().ok().and_then(|id: u64| waiting.table().replies.remove(&id));
                if let Some(reply) = reply {
                    // An error says that nobody waits any more.
                    let _ = reply.send(Ok(result));
                }
            }
            Ok(Some(_)) => {}
            Ok(None) => break None,
            Err(status) => break Some(status),
        }
    };
    let left = {
        let mut table = waiting.table();
        table.open = false;
        std::mem::take(&mut table.replies)
    };
    for reply in left.into_values() {
        let end = end.clone().map_or(StreamEnd::Closed, StreamEnd::Broken);
        let _ = reply.send(Err(end));
    }
}

/// The photos under way.
#[derive(Debug)]
struct Waiting(Mutex<Table>);

#[derive(Debug, Default)]
struct Table {
    open: bool,
    last_id: u64,
    replies: HashMap<u64, Reply>,
}

impl Waiting {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A photo's place among those under way.
struct Place<'a> {
    waiting: &'a Waiting,
    id: u64,
}

impl<'a> Place<'a> {
    /// None when the stream has ended.
    fn take(waiting: &'a Waiting, reply: Reply) -> Option<Self> {
        let mut table = waiting.table();
        if !table.open {
            return None;
        }
        table.last_id += 1;
        let id = table.last_id;
        table.replies.insert(id, reply);
        Some(Self { waiting, id })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.waiting.table().replies.remove(&self.id);
    }
}
