//! The authenticated state.
#![allow(missing_docs)]

use crate::store::{Overlay, Rows};

pub struct State<'a> {
    _rows: Overlay<'a, dyn Rows + 'a>,
}
