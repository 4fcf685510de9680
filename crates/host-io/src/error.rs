//! What can go wrong at a door.

use std::io;
use std::time::Duration;

/// A failed operation on the host. The message names the operation and its
/// object; the cause is the source. [`HostError::reason`] joins both.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// The kernel refused.
    #[error("cannot {operation} {object}")]
    Kernel {
        operation: &'static str,
        object: String,
        #[source]
        source: io::Error,
    },
    /// A tool ran and said no.
    #[error("`{command}` failed with {status}: {stderr}")]
    Tool { command: String, status: String, stderr: String },
    /// A tool took too long and was killed.
    #[error("`{command}` did not finish within {limit:?}")]
    Timeout { command: String, limit: Duration },
    /// A tool this host lacks.
    #[error("the program `{tool}` is missing; it is in the package {package}")]
    ToolMissing { tool: String, package: &'static str },
    /// A tool answered something that is not JSON.
    #[error("cannot read the answer of `{command}`")]
    Answer {
        command: String,
        #[source]
        source: serde_json::Error,
    },
    /// The helper thread inside a namespace ended without an answer.
    #[error("work inside namespace {namespace} ended without an answer")]
    Lost { namespace: String },
}

impl HostError {
    pub(crate) fn kernel(operation: &'static str, object: impl Into<String>, source: io::Error) -> Self {
        Self::Kernel { operation, object: object.into(), source }
    }

    /// The error number the kernel gave, when it gave one.
    #[must_use]
    pub fn errno(&self) -> Option<i32> {
        match self {
            Self::Kernel { source, .. } => source.raw_os_error(),
            Self::Tool { .. }
            | Self::Timeout { .. }
            | Self::ToolMissing { .. }
            | Self::Answer { .. }
            | Self::Lost { .. } => None,
        }
    }

    /// Whether the object was not there (any more).
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        match self {
            Self::Tool { stderr, .. } => stderr.contains("No such file or directory"),
            _ => matches!(
                self.errno(),
                Some(libc::ENODEV | libc::ENOENT | libc::ESRCH | libc::EADDRNOTAVAIL | libc::ENXIO)
            ),
        }
    }

    /// Whether the object was there already.
    #[must_use]
    pub fn is_exists(&self) -> bool {
        match self {
            Self::Tool { stderr, .. } => stderr.contains("File exists"),
            _ => self.errno() == Some(libc::EEXIST),
        }
    }

    /// The message and its causes on one line, for reports to people.
    #[must_use]
    pub fn reason(&self) -> String {
        let mut text = self.to_string();
        let mut cause = std::error::Error::source(self);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text.replace('\n', " ")
    }
}
