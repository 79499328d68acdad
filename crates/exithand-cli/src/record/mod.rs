//! What `exithand record` is made of.

mod paths;
mod privileges;
mod retention;
mod rules;

pub(crate) use paths::{SYSTEM_STORE, listening_socket, socket_path, store_path};
pub(crate) use privileges::{Privileges, Service};
pub use retention::{Days, ParseDaysError, ParseSizeError, Size};
pub(crate) use rules::rules;
