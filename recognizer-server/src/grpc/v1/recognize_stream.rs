//! `RecognizeStream`: many photos over one stream.
//!
//! Nothing here waits for one client at the cost of another. Photos are read ahead only while the
//! client reads the answers; those read wait in the stream, and stand in the server's queue two for
//! each thread at a time, for all streams together.

use tokio::sync::mpsc;
use tokio::task::JoinSet;
use tokio_stream::StreamExt;
use tokio_stream::wrappers::ReceiverStream;
use tonic::{Code, Request, Response, Status, Streaming};

use super::proto::recognize_stream_response::Result as PhotoResult;
use super::proto::{Failure, RecognizeResponse, RecognizeStreamRequest, RecognizeStreamResponse};
use super::question::Question;
use super::{Answers, MESSAGE_LIMIT, RecognizerService};
use crate::grpc::call::{Call, within};
use crate::grpc::status::{deadline_exceeded, message_too_large, reason_of, refusal};

/// No photo is read ahead while those under way take so much memory: one of the largest is let in
/// after others, so that a stream holds at most twice as much.
const READ_AHEAD_BYTES: usize = MESSAGE_LIMIT;

type Sender = mpsc::Sender<Result<RecognizeStreamResponse, Status>>;

impl RecognizerService {
    pub(super) async fn recognize_photos(
        &self,
        request: Request<Streaming<RecognizeStreamRequest>>,
    ) -> Result<Response<Answers<RecognizeStreamResponse>>, Status> {
        let call = Call::of(&request);
        let (answers, receiver) = mpsc::channel(1);
        let stream = PhotoStream { service: self.clone(), call, answers };
        tokio::spawn(stream.run(request.into_inner()));
        Ok(Response::new(Box::pin(ReceiverStream::new(receiver))))
    }
}

/// One client's stream.
struct PhotoStream {
    service: RecognizerService,
    call: Call,
    answers: Sender,
}

impl PhotoStream {
    /// Answers until the client has no more photos, leaves, or has no more time.
    async fn run(self, photos: Streaming<RecognizeStreamRequest>) {
        let deadline = async {
            match self.call.caller_deadline() {
                Some(deadline) => tokio::time::sleep_until(deadline.into()).await,
                None => std::future::pending().await,
            }
        };
        let ended = tokio::select! {
            // Dropping the photos under way frees their places.
            () = self.answers.closed() => return,
            () = deadline => Err(deadline_exceeded()),
            ended = self.answer_all(photos) => ended,
        };
        if let Err(status) = ended {
            // An error says that the client has left.
            let _ = self.answers.send(Err(status)).await;
        }
    }

    async fn answer_all(&self, mut photos: Streaming<RecognizeStreamRequest>) -> Result<(), Status> {
        let stats = self.service.jobs.stats();
        let read_ahead = stats.width + stats.queue_length;
        let mut under_way = JoinSet::new();
        let mut held_bytes = 0;
        // How the client's side of the stream ended, when it has.
        let mut ended = None;
        loop {
            let reads = ended.is_none() && under_way.len() < read_ahead && held_bytes < READ_AHEAD_BYTES;
            tokio::select! {
                photo = photos.next(), if reads => match photo {
                    Some(Ok(photo)) => {
                        let held = self.call.take_held();
                        let bytes = held.bytes();
                        held_bytes += bytes;
                        let (service, call) = (self.service.clone(), self.call.clone());
                        under_way.spawn(async move { (bytes, service.answer_streamed(photo, held, call).await) });
                    }
                    Some(Err(status)) if status.code() == Code::OutOfRange => ended = Some(Err(message_too_large())),
                    Some(Err(status)) => ended = Some(Err(status)),
                    None => ended = Some(Ok(())),
                },
                Some(done) = under_way.join_next() => {
                    let (bytes, answer) =
                        done.map_err(|_| refusal(Code::Internal, "internal", "a photo could not be processed"))?;
                    held_bytes -= bytes;
                    // An error says that the client has left, which ends this future elsewhere.
                    let _ = self.answers.send(Ok(answer)).await;
                }
                else => return ended.unwrap_or(Ok(())),
            }
        }
    }
}

impl RecognizerService {
    async fn answer_streamed(
        &self,
        photo: RecognizeStreamRequest,
        held: impl Send + 'static,
        call: Call,
    ) -> RecognizeStreamResponse {
        let result = match Question::new(photo.photo, photo.options) {
            Ok(question) => self.answer_in_turn(question, held, &call).await,
            Err(status) => Err(status),
        };
        let result = match result {
            Ok(response) => PhotoResult::Response(response),
            Err(status) => PhotoResult::Failure(failure(&status)),
        };
        RecognizeStreamResponse { id: photo.id, result: Some(result) }
    }

    async fn answer_in_turn(
        &self,
        question: Question,
        held: impl Send + 'static,
        call: &Call,
    ) -> Result<RecognizeResponse, Status> {
        let place = self.jobs.stream_place().await;
        // Waiting for the photos before it is not held against a photo.
        let deadline = call.photo_deadline();
        within(deadline, self.answer(question, place, deadline, held)).await
    }
}

fn failure(status: &Status) -> Failure {
    Failure { code: status.code().into(), reason: reason_of(status), message: status.message().to_owned() }
}
