//! The application that does nothing.
