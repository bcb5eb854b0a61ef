//! The protocol's framing on two byte streams.
//!
//! The types of messages are `lsp-server`'s. Its own reader ends the connection at the first
//! message that is not JSON, and takes the length a header announces for granted; a server that
//! lives for days in an editor must survive both, so the framing is here.

use std::io::{self, BufRead, Read, Write};

use lsp_server::{ErrorCode, Message};
use serde_json::{Value, json};

/// No client sends more at once; a longer announcement is taken for noise.
const MAX_CONTENT: usize = 512 * 1024 * 1024;

/// No header line is longer.
const MAX_HEADER: u64 = 4096;

const LENGTH: &str = "content-length:";

/// What the input holds next.
#[derive(Debug)]
pub(super) enum Incoming {
    /// A message.
    Message(Message),
    /// Something that is none, and the answer it deserves.
    Malformed(Value),
}

/// Reads up to the next message; `None` at the end of the input.
///
/// # Errors
/// Whatever reading returns. Bad bytes are no error: framing resumes at the next line that looks
/// like a header.
pub(super) fn read(input: &mut impl BufRead) -> io::Result<Option<Incoming>> {
    let mut length = None;
    let mut noise = false;
    loop {
        let mut line = Vec::new();
        let read = input.take(MAX_HEADER).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(None);
        }
        let text = String::from_utf8_lossy(&line);
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            match length {
                Some(length) => return content(input, length),
                None if noise => {
                    return Ok(Some(malformed(
                        ErrorCode::ParseError,
                        "a message must begin with a Content-Length header",
                    )));
                }
                None => continue,
            }
        }
        let lower = text.to_ascii_lowercase();
        // What a wrong length left over stands before the name, on the same line.
        if let Some(at) = lower.rfind(LENGTH) {
            length = lower[at + LENGTH.len()..]
                .trim()
                .parse()
                .ok()
                .filter(|&it| it <= MAX_CONTENT);
            noise |= length.is_none();
        } else if !lower.starts_with("content-type:") {
            noise = true;
        }
    }
}

fn content(input: &mut impl BufRead, length: usize) -> io::Result<Option<Incoming>> {
    // Grown while reading: a wrong length must not reserve memory that is never filled.
    let mut bytes = Vec::new();
    let read = input.take(length as u64).read_to_end(&mut bytes)?;
    if read < length {
        return Ok(None);
    }
    let value: Value = match serde_json::from_slice(&bytes) {
        Ok(value) => value,
        Err(error) => {
            return Ok(Some(malformed(
                ErrorCode::ParseError,
                &format!("the message is not JSON: {error}"),
            )));
        }
    };
    let identified = value.get("id").is_some();
    match serde_json::from_value(value) {
        // With an identifier that is none it only looks like a notification.
        Ok(Message::Notification(_)) if identified => Ok(Some(malformed(
            ErrorCode::InvalidRequest,
            "the identifier of a request must be an integer or a string",
        ))),
        Ok(message) => Ok(Some(Incoming::Message(message))),
        Err(_) => Ok(Some(malformed(
            ErrorCode::InvalidRequest,
            "the message is neither a request nor a notification nor a response",
        ))),
    }
}

/// The answer to a message whose identifier is not known.
fn malformed(code: ErrorCode, message: &str) -> Incoming {
    Incoming::Malformed(json!({
        "jsonrpc": "2.0",
        "id": null,
        "error": { "code": code as i32, "message": message },
    }))
}

/// What goes to the client.
#[derive(Debug)]
pub(super) enum Outgoing {
    /// A message.
    Message(Message),
    /// An answer without an identifier, which [`Message`] cannot express.
    Raw(Value),
}

impl Outgoing {
    /// Writes the message and flushes.
    ///
    /// # Errors
    /// Whatever writing returns: the client has gone.
    pub(super) fn write(&self, output: &mut impl Write) -> io::Result<()> {
        match self {
            Self::Message(message) => message.write(output),
            Self::Raw(value) => {
                let text = value.to_string();
                write!(output, "Content-Length: {}\r\n\r\n{text}", text.len())?;
                output.flush()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn read_all(mut bytes: &[u8]) -> Vec<Incoming> {
        std::iter::from_fn(|| read(&mut bytes).unwrap()).collect()
    }

    #[test]
    fn framing_resumes_after_noise() {
        let good = r#"{"jsonrpc":"2.0","method":"exit"}"#;
        let framed = format!("Content-Length: {}\r\n\r\n{good}", good.len());
        for noise in [
            "Content-Length: minus one\r\n\r\n",
            "Content-Length: 99999999999999\r\n\r\n",
            "Content-Length: 3\r\n\r\n{]}",
            "Content-Length: 2\r\n\r\n[]",
            "hello\r\n\r\n",
            "Content-Length: 1\r\n\r\n{}",
        ] {
            let messages = read_all(format!("{noise}{framed}").as_bytes());
            assert!(
                matches!(
                    messages.as_slice(),
                    [
                        Incoming::Malformed(_),
                        Incoming::Message(Message::Notification(_))
                    ]
                ),
                "{noise:?}: {messages:?}"
            );
        }
    }

    #[test]
    fn a_message_cut_short_is_the_end() {
        assert!(read_all(b"Content-Length: 100\r\n\r\n{}").is_empty());
        assert!(read_all(b"Content-Le").is_empty());
    }
}
