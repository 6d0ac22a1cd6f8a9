//! The key-value application.
