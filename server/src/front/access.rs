//! One line per request.
//!
//! The line is an `info` record of the target [`TARGET`] whose facts are key-value pairs, so that a text format and a
//! JSON format can show the same. Where `info` is off nothing is formatted.

use super::response::Note;
use log::kv::{self, Key, Value, VisitSource};
use log::{Level, Record};
use std::net::SocketAddr;
use std::time::Duration;

/// The log target of access lines.
pub const TARGET: &str = "headstart::access";

/// What an access line says.
pub(super) struct Access<'a> {
    pub(super) client: SocketAddr,
    /// As sent, or `-` where the request line is none.
    pub(super) method: &'a str,
    /// Path and query as sent, or what there is in place of a request line: visible ASCII.
    pub(super) path: &'a str,
    pub(super) status: u16,
    /// Bytes of body sent.
    pub(super) bytes: u64,
    pub(super) elapsed: Duration,
    pub(super) notes: &'a [(&'static str, Note)],
}

/// Whether access lines are wanted at all.
pub(super) fn is_on() -> bool {
    log::log_enabled!(target: TARGET, Level::Info)
}

impl Access<'_> {
    pub(super) fn log(&self) {
        if is_on() {
            let args = format_args!("request");
            log::logger().log(
                &Record::builder()
                    .args(args)
                    .level(Level::Info)
                    .target(TARGET)
                    .module_path_static(Some(module_path!()))
                    .key_values(&self)
                    .build(),
            );
        }
    }
}

impl kv::Source for &Access<'_> {
    fn visit<'kvs>(&'kvs self, visitor: &mut dyn VisitSource<'kvs>) -> Result<(), kv::Error> {
        let micros = self.elapsed.as_micros() as f64;
        visitor.visit_pair(Key::from("client"), Value::from_display(&self.client))?;
        visitor.visit_pair(Key::from("method"), Value::from(self.method))?;
        visitor.visit_pair(Key::from("path"), Value::from(self.path))?;
        visitor.visit_pair(Key::from("status"), Value::from(self.status))?;
        visitor.visit_pair(Key::from("bytes"), Value::from(self.bytes))?;
        visitor.visit_pair(Key::from("ms"), Value::from(micros / 1_000.0))?;
        for (key, note) in self.notes {
            let value = match note {
                Note::Number(number) => Value::from(*number),
                Note::Word(word) => Value::from(*word),
            };
            visitor.visit_pair(Key::from_str(key), value)?;
        }
        Ok(())
    }
}
