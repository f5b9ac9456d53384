//! The routes, as a flag or variable writes them (`PATH=SOURCE`) and as tables of the file.
//!
//! A table travels through the layers like every value, as text: one line of JSON.

use crate::cli::values::{duration, offsets};
use headstart::{AfterFailure, Schedule};
use headstart_server::api::{RouteSettings, Strategy};
use serde_json::{Map, Value};

/// What one route is written as.
const FORM: &str = "allowed is PATH=SOURCE, such as /api/http=http://127.0.0.1:9000/";
/// What a table of the file may have.
const KEYS: [&str; 6] = ["path", "source", "strategy", "schedule", "hedge-on-failure", "timeout"];

/// Routes, one on each line. A path given again adds a source to its route.
pub(super) fn routes(text: &str) -> Result<Vec<RouteSettings>, String> {
    let mut routes: Vec<RouteSettings> = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        let route = if line.starts_with('{') { from_table(line)? } else { from_flag(line)? };
        match routes.iter_mut().find(|known| known.path == route.path) {
            Some(_) if route != RouteSettings::new(&route.path, route.sources.clone()) => {
                return Err(format!("'{}' is given again, which adds a source and can set nothing else", route.path));
            }
            Some(known) => known.sources.extend(route.sources),
            None => routes.push(route),
        }
    }
    Ok(routes)
}

fn from_flag(text: &str) -> Result<RouteSettings, String> {
    let (path, source) = text.split_once('=').filter(|(_, source)| !source.is_empty()).ok_or(FORM)?;
    if !path.starts_with('/') {
        return Err(format!("the path has to begin with a slash; {FORM}"));
    }
    Ok(RouteSettings::new(path, vec![source.to_owned()]))
}

fn from_table(text: &str) -> Result<RouteSettings, String> {
    let table: Map<String, Value> = serde_json::from_str(text).map_err(|_| FORM.to_owned())?;
    if let Some(unknown) = table.keys().find(|key| !KEYS.contains(&key.as_str())) {
        return Err(format!("a route has no '{unknown}': allowed are {}", KEYS.join(", ")));
    }
    let text_at = |key: &str| table.get(key).map(|value| words(value).ok_or(format!("{key} has to be text")));
    let (Some(path), Some(sources)) = (text_at("path"), table.get("source")) else {
        return Err("a route needs path and source".to_owned());
    };
    let sources = match sources {
        Value::Array(several) => several.iter().map(words).collect::<Option<Vec<_>>>(),
        one => words(one).map(|one| vec![one]),
    };
    let mut route = RouteSettings::new(path?, sources.ok_or("source has to be text, or an array of texts")?);
    if let Some(name) = text_at("strategy") {
        route.strategy = strategy(&name?)?;
    }
    if let Some(value) = table.get("schedule") {
        let text = match value {
            Value::Array(several) => several.iter().map(words).collect::<Option<Vec<_>>>().map(|each| each.join(",")),
            one => words(one),
        };
        let starts = offsets(&text.unwrap_or_default())?;
        route.schedule = Some(Schedule::new(&starts).map_err(|error| error.to_string())?);
    }
    if let Some(value) = table.get("hedge-on-failure") {
        let hedges = value.as_bool().ok_or("hedge-on-failure has to be true or false")?;
        route.after_failure = Some(if hedges { AfterFailure::Hedge } else { AfterFailure::Wait });
    }
    if let Some(text) = text_at("timeout") {
        route.timeout = Some(duration(&text?).map_err(|allowed| format!("the timeout is wrong: {allowed}"))?);
    }
    Ok(route)
}

fn strategy(name: &str) -> Result<Strategy, String> {
    let found = Strategy::NAMES.iter().find(|(known, _)| *known == name).map(|(_, strategy)| *strategy);
    found.ok_or_else(|| {
        let names = Strategy::NAMES.map(|(name, _)| name).join(", ");
        format!("there is no strategy '{name}': allowed are {names}")
    })
}

/// A text, or a number as it would be typed.
fn words(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_path_given_again_adds_a_source() {
        let routes = routes("/a=http://x/?q=1\n/b=command:echo 1\n/a=http://y/").unwrap();
        assert_eq!(routes.len(), 2);
        assert_eq!(routes[0].sources, ["http://x/?q=1", "http://y/"]);
        assert_eq!(routes[1].sources, ["command:echo 1"]);
        let why =
            super::routes("/a=http://x/\n{\"path\":\"/a\",\"source\":\"http://y/\",\"timeout\":\"2s\"}").unwrap_err();
        assert!(why.contains("'/a' is given again"), "{why}");
    }

    #[test]
    fn a_table_has_a_schedule_a_timeout_and_a_strategy_of_its_own() {
        let text = r#"{"path":"/a","source":["http://x/","http://y/"],"strategy":"all","schedule":[0,"50ms"],
                       "hedge-on-failure":true,"timeout":"2s"}"#;
        let route = routes(&text.replace('\n', " ")).unwrap().remove(0);
        assert_eq!(route.strategy, Strategy::All);
        assert_eq!(route.schedule.unwrap().offsets(), [Duration::ZERO, Duration::from_millis(50)]);
        assert_eq!(route.after_failure, Some(AfterFailure::Hedge));
        assert_eq!((route.sources.len(), route.timeout), (2, Some(Duration::from_secs(2))));
    }

    #[test]
    fn mistakes_say_what_is_allowed() {
        for (text, why) in [
            ("/a", "PATH=SOURCE"),
            ("/a=", "PATH=SOURCE"),
            ("a=http://x/", "slash"),
            ("{", "PATH=SOURCE"),
            (r#"{"path":"/a"}"#, "needs path and source"),
            (r#"{"path":"/a","source":7.5,"stratgy":"all"}"#, "no 'stratgy'"),
            (r#"{"path":"/a","source":"x","strategy":"best"}"#, "smart, first, all, within-timeout"),
            (r#"{"path":"/a","source":true}"#, "array of texts"),
            (r#"{"path":"/a","source":"x","schedule":[5]}"#, "schedule"),
            (r#"{"path":"/a","source":"x","schedule":"now"}"#, "start offsets"),
            (r#"{"path":"/a","source":"x","timeout":"0"}"#, "timeout"),
            (r#"{"path":"/a","source":"x","hedge-on-failure":1}"#, "true or false"),
        ] {
            assert!(routes(text).unwrap_err().contains(why), "{text}: {:?}", routes(text));
        }
    }
}
