//! The routes, as a flag or variable writes them (`PATH=SOURCE`) and as tables of the file.

use crate::cli::nearest::nearest;
use crate::cli::values::{duration, schedule, strategy};
use headstart::AfterFailure;
use headstart_server::api::RouteSettings;
use toml::{Table, Value};

/// What one route is written as.
const FORM: &str = "expected PATH=SOURCE, such as /api/http=http://127.0.0.1:9000/";
/// What a table of the file may have.
const KEYS: [&str; 6] = ["path", "source", "strategy", "schedule", "hedge-on-failure", "timeout"];

/// Routes, one on each line. A path given again adds a source to its route.
pub(super) fn from_lines(text: &str) -> Result<Vec<RouteSettings>, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    combine(lines.map(Written::from_text))
}

/// Routes of the file, each of them such a text or a table.
pub(super) fn from_file(list: &[Value]) -> Result<Vec<RouteSettings>, String> {
    combine(list.iter().map(|value| match value {
        Value::String(text) => Written::from_text(text),
        Value::Table(table) => Written::from_table(table),
        _ => Err(FORM.to_owned()),
    }))
}

/// One route as it was written.
struct Written {
    path: String,
    sources: Vec<String>,
    /// Everything else, in the form of what adds it to a route.
    rest: Vec<Box<dyn FnOnce(RouteSettings) -> RouteSettings>>,
}

fn combine(written: impl Iterator<Item = Result<Written, String>>) -> Result<Vec<RouteSettings>, String> {
    let mut routes: Vec<Written> = Vec::new();
    for route in written {
        let route = route?;
        match routes.iter_mut().find(|known| known.path == route.path) {
            Some(_) if !route.rest.is_empty() => {
                return Err(format!("'{}' is given again, which adds a source and can set nothing else", route.path));
            }
            Some(known) => known.sources.extend(route.sources),
            None => routes.push(route),
        }
    }
    Ok(routes.into_iter().map(Written::settings).collect())
}

impl Written {
    fn from_text(text: &str) -> Result<Written, String> {
        let (path, source) = text.split_once('=').filter(|(_, source)| !source.is_empty()).ok_or(FORM)?;
        if !path.starts_with('/') {
            return Err(format!("the path has to begin with a slash: {FORM}"));
        }
        Ok(Written { path: path.to_owned(), sources: vec![source.to_owned()], rest: Vec::new() })
    }

    fn from_table(table: &Table) -> Result<Written, String> {
        if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(match nearest(unknown, KEYS) {
                Some(near) => format!("a route has no key '{unknown}': did you mean {near}?"),
                None => format!("a route has no key '{unknown}': its keys are {}", KEYS.join(", ")),
            });
        }
        let text_at = |key: &str| table.get(key).map(|value| as_typed(value).ok_or(format!("{key} has to be text")));
        let (Some(path), Some(source)) = (text_at("path"), table.get("source")) else {
            return Err("a route needs path and source".to_owned());
        };
        let sources = several(source).ok_or("source has to be text, or an array of texts")?;
        let mut route = Written { path: path?, sources, rest: Vec::new() };
        if let Some(name) = text_at("strategy") {
            let strategy = strategy(&name?)?;
            route.rest.push(Box::new(move |route| route.strategy(strategy)));
        }
        if let Some(value) = table.get("schedule") {
            let offsets = several(value).ok_or("the schedule has to be an array of start offsets")?;
            let schedule = schedule(&offsets.join(",")).map_err(|why| format!("the schedule is wrong: {why}"))?;
            route.rest.push(Box::new(move |route| route.schedule(schedule)));
        }
        if let Some(value) = table.get("hedge-on-failure") {
            let hedges = value.as_bool().ok_or("hedge-on-failure has to be true or false")?;
            let after_failure = if hedges { AfterFailure::Hedge } else { AfterFailure::Wait };
            route.rest.push(Box::new(move |route| route.after_failure(after_failure)));
        }
        if let Some(text) = text_at("timeout") {
            let timeout = duration(&text?).map_err(|why| format!("the timeout is wrong: {why}"))?;
            route.rest.push(Box::new(move |route| route.timeout(timeout)));
        }
        Ok(route)
    }

    fn settings(self) -> RouteSettings {
        let route = RouteSettings::new(self.path, self.sources);
        self.rest.into_iter().fold(route, |route, set| set(route))
    }
}

/// A text, or a number as it would be typed.
fn as_typed(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Integer(number) => Some(number.to_string()),
        Value::Float(number) => Some(number.to_string()),
        _ => None,
    }
}

/// An array of these, or a single one.
fn several(value: &Value) -> Option<Vec<String>> {
    match value {
        Value::Array(elements) => elements.iter().map(as_typed).collect(),
        one => as_typed(one).map(|one| vec![one]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headstart::Schedule;
    use headstart_server::api::Strategy;
    use std::time::Duration;

    fn table(text: &str) -> Value {
        Value::Table(text.parse().unwrap())
    }

    #[test]
    fn a_path_given_again_adds_a_source() {
        let routes = from_lines("/a=http://x/?q=1\n/b=command:echo 1\n/a=http://y/").unwrap();
        let a = RouteSettings::new("/a", ["http://x/?q=1", "http://y/"]);
        assert_eq!(routes, [a, RouteSettings::new("/b", ["command:echo 1"])]);
        let again = [Value::from("/a=http://x/"), table("path = '/a'\nsource = 'http://y/'\ntimeout = '2s'")];
        assert!(from_file(&again).unwrap_err().contains("'/a' is given again"));
    }

    #[test]
    fn a_table_has_a_schedule_a_timeout_and_a_strategy_of_its_own() {
        let text = "path = '/a'\nsource = ['http://x/', 'http://y/']\nstrategy = 'all'\nschedule = [0, '50ms']\n\
                    hedge-on-failure = true\ntimeout = '2s'";
        let expected = RouteSettings::new("/a", ["http://x/", "http://y/"])
            .strategy(Strategy::All)
            .schedule(Schedule::new(&[Duration::ZERO, Duration::from_millis(50)]).unwrap())
            .after_failure(AfterFailure::Hedge)
            .timeout(Duration::from_secs(2));
        assert_eq!(from_file(&[table(text)]).unwrap(), [expected]);
    }

    #[test]
    fn mistakes_say_what_is_wrong() {
        for (text, why) in
            [("/a", "PATH=SOURCE"), ("/a=", "PATH=SOURCE"), ("a=http://x/", "slash"), ("{", "PATH=SOURCE")]
        {
            assert!(from_lines(text).unwrap_err().contains(why), "{text}: {:?}", from_lines(text));
        }
        for (rest, why) in [
            ("", "needs path and source"),
            ("source = 7.5\nstratgy = 'all'", "no key 'stratgy': did you mean strategy?"),
            ("source = 'x'\nwhatever = 1", "no key 'whatever': its keys are path, source"),
            ("source = 'x'\nstrategy = 'best'", "smart, first, all, within-timeout"),
            ("source = true", "array of texts"),
            ("source = 'x'\nschedule = [5]", "the schedule is wrong"),
            ("source = 'x'\nschedule = 'now'", "start offsets"),
            ("source = 'x'\nschedule = true", "start offsets"),
            ("source = 'x'\ntimeout = '0'", "timeout"),
            ("source = 'x'\nhedge-on-failure = 1", "true or false"),
        ] {
            let routes = from_file(&[table(&format!("path = '/a'\n{rest}"))]);
            assert!(routes.as_ref().unwrap_err().contains(why), "{rest}: {routes:?}");
        }
    }
}
