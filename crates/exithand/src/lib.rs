//! Exit handles.
