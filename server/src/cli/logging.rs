//! Log lines: which are written, where they go, and how they read.
//!
//! The contract of the levels, for the whole program: `error` and `warn` are what an operator has to act on; `info` is
//! one access line per request, start and stop; `debug` is each attempt. The option `log` and `RUST_LOG` choose, in the
//! form of env_logger; without them, `info`. The HTTP client's own lines are held at `warn` unless its module is asked
//! for by name. The choice can be exchanged while the program runs ([`Log::choose`]): each line is judged by the old
//! one or by the new.
//!
//! A line is put together first and then written to standard error at once, so that lines of several threads do not
//! mix. Nobody reading it is no reason to stop: a failed write is ignored. Whatever a client or an upstream put into a
//! field, it cannot start a line of its own: control characters are escaped in both formats.

use crate::cli::shown::on_one_line;
use env_filter::{Builder, Filter};
use env_logger::Logger;
use log::kv::{self, Key, Value, VisitSource, VisitValue};
use log::{LevelFilter, Metadata, Record};
use std::fmt::Write as _;
use std::io::Write as _;
use std::str::FromStr;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::SystemTime;

/// Modules whose lines below `warn` are about their own workings.
const QUIET: [&str; 5] = ["ureq", "ureq_proto", "rustls", "mio", "polling"];

/// Modules of this program.
const OURS: [&str; 3] = ["headstart", "headstart_server", "headstart_fault"];

const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];

/// How a line is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum LogFormat {
    /// `2026-01-31T12:00:00.000Z INFO headstart: message key=value`
    #[default]
    Text,
    /// One JSON object.
    Json,
}

impl LogFormat {
    pub(super) const BY_NAME: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];
}

/// What `directives` let through: a level, or `module=level` pairs, as `RUST_LOG` has them. A module without a level
/// means all of its lines; so that a misspelt level is not taken for one, only modules of this program are known by
/// their name alone.
pub(super) fn filter(directives: &str) -> Result<Filter, String> {
    let wrong = |what: String| {
        format!("{what}; expected a level ({}), or module=level pairs separated by commas", LEVELS.join(", "))
    };
    let modules = directives.split('/').next().unwrap_or_default();
    for directive in modules.split(',').map(str::trim).filter(|directive| !directive.is_empty()) {
        let (module, level) = directive.split_once('=').unwrap_or((directive, directive));
        let is_known = OURS.iter().chain(&QUIET).any(|known| module.split("::").next() == Some(known));
        if LevelFilter::from_str(level.trim()).is_err() && (module != level || !is_known) && !level.is_empty() {
            return Err(wrong(format!("'{level}' is not a level")));
        }
    }
    let mut builder = Builder::new();
    builder.filter_level(LevelFilter::Info);
    for module in QUIET {
        builder.filter_module(module, LevelFilter::Warn);
    }
    builder.try_parse(directives).map_err(|error| wrong(error.to_string()))?;
    Ok(builder.build())
}

/// The running log; clones are handles to the same one.
#[derive(Clone)]
pub(super) struct Log {
    /// Writes whatever reaches it.
    writer: Arc<Logger>,
    /// Taken for as long as it takes to copy or replace what is in it.
    filter: Arc<RwLock<Arc<Filter>>>,
}

impl Log {
    /// Starts logging. Called once.
    pub(super) fn start(filter: Filter, format: LogFormat) -> Log {
        let mut writer = env_logger::Builder::new();
        writer.filter_level(LevelFilter::Trace).format(move |out, record| {
            let line = match format {
                LogFormat::Text => text_line(SystemTime::now(), record),
                LogFormat::Json => json_line(SystemTime::now(), record),
            };
            out.write_all(line.as_bytes())
        });
        let log = Log { writer: Arc::new(writer.build()), filter: Arc::new(RwLock::new(Arc::new(filter.clone()))) };
        // A logger that is there already stays; `main` starts none before.
        let _ = log::set_boxed_logger(Box::new(log.clone()));
        log.choose(filter);
        log
    }

    /// Lets through what `filter` does, from here on.
    pub(super) fn choose(&self, filter: Filter) {
        let most = filter.filter();
        *self.filter.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(filter);
        // Last: the macros ask nobody about what is above it.
        log::set_max_level(most);
    }

    /// A copy, so that the lock is not held while what a record refers to writes itself.
    fn filter(&self) -> Arc<Filter> {
        self.filter.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl log::Log for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        self.filter().enabled(metadata)
    }

    fn log(&self, record: &Record<'_>) {
        if self.filter().matches(record) {
            self.writer.log(record);
        }
    }

    fn flush(&self) {}
}

fn text_line(now: SystemTime, record: &Record<'_>) -> String {
    let time = humantime::format_rfc3339_millis(now);
    let mut line = format!("{time} {:<5} {}: ", record.level(), record.target());
    line.push_str(&on_one_line(&record.args().to_string()));
    each_field(record, |key, value| {
        let text = value.to_string();
        let plain =
            !text.is_empty() && !text.contains(|c: char| c.is_whitespace() || c.is_control() || "\"=".contains(c));
        // Writing to a string does not fail.
        let _ = if plain { write!(line, " {key}={text}") } else { write!(line, " {key}={text:?}") };
    });
    line.push('\n');
    line
}

fn json_line(now: SystemTime, record: &Record<'_>) -> String {
    let mut line = String::from("{");
    push_member(&mut line, "time", &humantime::format_rfc3339_millis(now).to_string().into());
    push_member(&mut line, "level", &record.level().as_str().to_ascii_lowercase().into());
    push_member(&mut line, "target", &record.target().into());
    push_member(&mut line, "message", &record.args().to_string().into());
    each_field(record, |key, value| {
        // A field must not hide what every line has.
        let taken = ["time", "level", "target", "message"].contains(&key.as_str());
        let name = if taken { format!("{key}_") } else { key.to_string() };
        push_member(&mut line, &name, &json_value(value));
    });
    line.push_str("}\n");
    line
}

fn push_member(line: &mut String, name: &str, value: &serde_json::Value) {
    let separator = if line.len() > 1 { "," } else { "" };
    let name = serde_json::Value::from(name);
    let _ = write!(line, "{separator}{name}:{value}");
}

fn json_value(value: &Value<'_>) -> serde_json::Value {
    struct Typed(serde_json::Value);
    impl<'v> VisitValue<'v> for Typed {
        fn visit_any(&mut self, value: Value<'_>) -> Result<(), kv::Error> {
            self.0 = value.to_string().into();
            Ok(())
        }
        fn visit_null(&mut self) -> Result<(), kv::Error> {
            self.0 = serde_json::Value::Null;
            Ok(())
        }
        fn visit_u64(&mut self, value: u64) -> Result<(), kv::Error> {
            self.0 = value.into();
            Ok(())
        }
        fn visit_i64(&mut self, value: i64) -> Result<(), kv::Error> {
            self.0 = value.into();
            Ok(())
        }
        fn visit_f64(&mut self, value: f64) -> Result<(), kv::Error> {
            self.0 = value.into();
            Ok(())
        }
        fn visit_bool(&mut self, value: bool) -> Result<(), kv::Error> {
            self.0 = value.into();
            Ok(())
        }
    }
    let mut typed = Typed(serde_json::Value::Null);
    // The visitor above never fails.
    let _ = value.visit(&mut typed);
    typed.0
}

fn each_field(record: &Record<'_>, visit: impl FnMut(&Key<'_>, &Value<'_>)) {
    struct Each<F>(F);
    impl<'kvs, F: FnMut(&Key<'_>, &Value<'_>)> VisitSource<'kvs> for Each<F> {
        fn visit_pair(&mut self, key: Key<'kvs>, value: Value<'kvs>) -> Result<(), kv::Error> {
            (self.0)(&key, &value);
            Ok(())
        }
    }
    let _ = record.key_values().visit(&mut Each(visit));
}

#[cfg(test)]
mod tests {
    use super::*;
    use log::Level;
    use std::time::{Duration, UNIX_EPOCH};

    fn with_record<T>(visit: impl FnOnce(&Record<'_>) -> T) -> T {
        let fields: &[(&str, Value<'_>)] = &[
            ("status", Value::from(200_u64)),
            ("ms", Value::from(1.5)),
            ("reused", Value::from(true)),
            ("client", Value::from("127.0.0.1:9")),
            ("path", Value::from("/a b\n\"=\u{1b}")),
            ("empty", Value::from("")),
            ("level", Value::from(-3_i64)),
        ];
        let record = Record::builder()
            .args(format_args!("first\nsecond"))
            .level(Level::Info)
            .target("headstart")
            .key_values(&fields)
            .build();
        visit(&record)
    }

    fn at() -> SystemTime {
        UNIX_EPOCH + Duration::from_millis(1_769_860_800_007)
    }

    #[test]
    fn a_text_line_is_one_line_with_its_fields() {
        let line = with_record(|record| text_line(at(), record));
        assert_eq!(
            line,
            "2026-01-31T12:00:00.007Z INFO  headstart: first\\nsecond status=200 ms=1.5 reused=true client=127.0.0.1:9 \
             path=\"/a b\\n\\\"=\\u{1b}\" empty=\"\" level=-3\n"
        );
    }

    #[test]
    fn a_json_line_is_one_object_with_typed_fields() {
        let line = with_record(|record| json_line(at(), record));
        assert!(line.starts_with("{\"time\":\"2026-01-31T12:00:00.007Z\",\"level\":\"info\","), "{line}");
        assert_eq!(line.matches('\n').count(), 1);
        let object: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(
            object,
            serde_json::json!({
                "time": "2026-01-31T12:00:00.007Z", "level": "info", "target": "headstart", "message": "first\nsecond",
                "status": 200, "ms": 1.5, "reused": true, "client": "127.0.0.1:9",
                "path": "/a b\n\"=\u{1b}", "empty": "",
                "level_": -3
            })
        );
    }

    #[test]
    fn quiet_modules_speak_below_warn_only_when_named() {
        let enabled = |directives: &str, target: &str| {
            let metadata = Metadata::builder().target(target).level(Level::Debug).build();
            filter(directives).unwrap().enabled(&metadata)
        };
        assert!(!enabled("", "headstart"));
        assert!(enabled("debug", "headstart::race"));
        assert!(!enabled("trace", "ureq::unversioned"));
        assert!(enabled("ureq=debug", "ureq::unversioned"));
        assert!(!enabled("ureq=debug", "headstart"));
    }

    #[test]
    fn a_mistake_is_one() {
        for (directives, wrong) in
            [("headstart=loud", "loud"), ("infoo", "infoo"), ("info,debugg", "debugg"), ("ureq=", ""), ("a=b=c", "b=c")]
        {
            match filter(directives) {
                Ok(_) => assert_eq!(wrong, "", "{directives}"),
                Err(why) => {
                    assert!(why.starts_with(&format!("'{wrong}' is not a level; expected a level (off, ")), "{why}")
                }
            }
        }
        for directives in ["", "INFO", "off", "headstart", "headstart::race,ureq", "warn,a::b=trace", "debug/GET"] {
            assert!(filter(directives).is_ok(), "{directives}");
        }
    }
}
