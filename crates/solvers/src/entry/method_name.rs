//! A method of the table, as a value.

use super::description::Description;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::ops::Deref;

/// A method of the table, by name: it dereferences to its [`Description`].
///
/// ```
/// use pyroclast_solvers::table::MethodName;
///
/// let method: MethodName = "DPM++ 2M".parse()?;
/// assert_eq!(method, MethodName::DPMPP_2M);
/// assert_eq!((method.name, method.order), ("dpmpp-2m", 2.0));
/// # Ok::<(), pyroclast_core::named::UnknownName>(())
/// ```
#[derive(Clone, Copy, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct MethodName(pub(crate) &'static Description);

impl Deref for MethodName {
    type Target = Description;

    fn deref(&self) -> &Description {
        self.0
    }
}

impl PartialEq for MethodName {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for MethodName {}

impl fmt::Debug for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
