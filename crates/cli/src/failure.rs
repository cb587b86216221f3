//! How a verb fails: one message, a hint where there is one, and an exit code.

use std::io::{self, ErrorKind, Write};
use std::process::ExitCode;

/// Why a verb ended early.
#[derive(Debug)]
pub(crate) struct Failure {
    error: anyhow::Error,
    hint: Option<String>,
    code: u8,
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Self {
            error: error.into(),
            hint: None,
            code: 1,
        }
    }
}

impl Failure {
    /// The arguments ask for something that does not exist.
    pub(crate) fn usage(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 2,
            ..Self::from(error)
        }
    }

    /// The person pressed Ctrl-C.
    pub(crate) fn stopped(error: impl Into<anyhow::Error>) -> Self {
        Self {
            code: 130,
            ..Self::from(error)
        }
    }

    /// Says what to do about it.
    pub(crate) fn hint(self, hint: impl Into<String>) -> Self {
        Self {
            hint: Some(hint.into()),
            ..self
        }
    }

    /// Prints it on stderr and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        let io = self.error.downcast_ref::<io::Error>();
        if io.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe) {
            return ExitCode::SUCCESS;
        }
        let mut text = format!("error: {}\n", causes(&self.error));
        if let Some(hint) = self.hint {
            text += &format!("\nhint: {hint}\n");
        }
        // Where stderr is closed too, the exit code alone has to tell.
        _ = io::stderr().write_all(text.as_bytes());
        ExitCode::from(self.code)
    }
}

/// The error and its causes; a cause that the message before it repeats is left out.
fn causes(error: &anyhow::Error) -> String {
    let mut text = error.to_string();
    for cause in error.chain().skip(1) {
        let cause = cause.to_string();
        if !text.contains(&cause) {
            text += &format!(": {cause}");
        }
    }
    text
}
