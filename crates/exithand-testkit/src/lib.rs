//! Test support for exithand.
