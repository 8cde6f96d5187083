//! Takes paths of photos over HTTP, stores them, and queues their ids.
