//! Takes ids from the queue, asks the recognizer who is on the photo, and settles the row.
