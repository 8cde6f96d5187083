//! Gives photos that failed, or hang, another try.
