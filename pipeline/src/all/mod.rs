//! Every service in one process, on SQLite and a queue inside it.
