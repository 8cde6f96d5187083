//! Settings: flags and environment variables, with the original system's names.
