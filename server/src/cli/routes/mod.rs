//! The routes, as a flag or variable writes them (`PATH=SOURCE`) and as tables of the file.
//!
//! A path that ends in a star is that of a proxy route, every other one that of a route with sources. They have the
//! path and a few keys in common; a key of the other kind is a mistake that says so.

mod keys;
mod passed;
mod written;

use headstart_server::api::RouteSettings;
pub(super) use passed::Passed;
use toml::Value;
use written::{FORM, Kind, Written};

/// The routes that settings name.
#[derive(Clone, Default)]
pub(super) struct Routes {
    pub(super) sources: Vec<RouteSettings>,
    pub(super) passed: Vec<Passed>,
}

/// Routes, one on each line. A path given again adds a source to its route.
pub(super) fn from_lines(text: &str) -> Result<Routes, String> {
    let lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    combine(lines.map(Written::from_text))
}

/// Routes of the file, each of them such a text or a table.
pub(super) fn from_file(list: &[Value]) -> Result<Routes, String> {
    combine(list.iter().map(|value| match value {
        Value::String(text) => Written::from_text(text),
        Value::Table(table) => Written::from_table(table),
        _ => Err(FORM.to_owned()),
    }))
}

fn combine(written: impl Iterator<Item = Result<Written, String>>) -> Result<Routes, String> {
    let mut written_so_far: Vec<Written> = Vec::new();
    for route in written {
        let route = route?;
        match written_so_far.iter_mut().find(|known| known.path == route.path) {
            Some(_) if !route.kind.is_bare() => {
                return Err(format!("'{}' is given again, which adds a source and can set nothing else", route.path));
            }
            Some(known) => known.targets.extend(route.targets),
            None => written_so_far.push(route),
        }
    }
    let mut routes = Routes::default();
    for Written { path, targets, kind } in written_so_far {
        match kind {
            Kind::Sources(rest) => {
                let route = RouteSettings::new(path, targets);
                routes.sources.push(rest.into_iter().fold(route, |route, set| set(route)));
            }
            Kind::Passed(rest) => routes.passed.push(Passed { path, to: targets, rest }),
        }
    }
    Ok(routes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use headstart::http::{Commit, Statuses};
    use headstart::{AfterFailure, Schedule};
    use headstart_server::api::{HedgeMethod, HostField, ProxySettings, Strategy};
    use std::time::Duration;

    fn table(text: &str) -> Value {
        Value::Table(text.parse().unwrap())
    }

    fn told(routes: Result<Routes, String>) -> String {
        routes.err().expect("it is a mistake")
    }

    #[test]
    fn a_path_given_again_adds_a_source() {
        let routes = from_lines("/a=http://x/?q=1\n/b=command:echo 1\n/a=http://y/").unwrap();
        let a = RouteSettings::new("/a", ["http://x/?q=1", "http://y/"]);
        assert_eq!(routes.sources, [a, RouteSettings::new("/b", ["command:echo 1"])]);
        let again = [Value::from("/a=http://x/"), table("path = '/a'\nsource = 'http://y/'\ntimeout = '2s'")];
        assert!(told(from_file(&again)).contains("'/a' is given again"));
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
        assert_eq!(from_file(&[table(text)]).unwrap().sources, [expected]);
    }

    #[test]
    fn mistakes_say_what_is_wrong() {
        for (text, why) in
            [("/a", "PATH=SOURCE"), ("/a=", "PATH=SOURCE"), ("a=http://x/", "slash"), ("{", "PATH=SOURCE")]
        {
            let said = told(from_lines(text));
            assert!(said.contains(why), "{text}: {said}");
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
            (
                "source = 'x'\nfailure-status = 404",
                "its failure-status cannot be '404': expected a whole number from 500",
            ),
            ("to = 'http://x'", "to belongs to a path that ends in /*; '/a' is given its sources by source"),
            ("source = 'x'\ncommit = 'full'", "commit belongs to a path that ends in /*, unlike '/a'"),
        ] {
            let said = told(from_file(&[table(&format!("path = '/a'\n{rest}"))]));
            assert!(said.contains(why), "{rest}: {said}");
        }
    }

    #[test]
    fn a_path_that_ends_in_a_star_is_passed_through_and_says_what_is_its_own() {
        let common = ProxySettings::new("/*", [""; 0]).timeout(Duration::from_secs(7)).host(HostField::Upstream);
        let texts = from_lines("/a/*=http://x:1\n/b=http://y/q?z\n/a/*=http://z").unwrap();
        assert_eq!((texts.sources.len(), texts.passed.len()), (1, 1));
        let expected = common.clone().path("/a/*").to(["http://x:1", "http://z"]);
        assert_eq!(format!("{:?}", texts.passed[0].settings(&common)), format!("{expected:?}"));

        let text = "path = '/a/*'\nto = ['http://x', 'https://y/']\nschedule = [0, 50, '1s']\ntimeout = '2s'\n\
                    hedge-on-failure = true\nsuccess = ['200-299', 404]\ncommit = 'full'\nhost = 'client'\n\
                    hedge-methods = ['GET', 'PUT']\nhedge-max-body = '1MiB'\nbody-idle-timeout = 5\n\
                    tunnel-idle-timeout = '10m'";
        let offsets = [Duration::ZERO, Duration::from_millis(50), Duration::from_secs(1)];
        let expected = ProxySettings::new("/a/*", ["http://x", "https://y/"])
            .schedule(Schedule::new(&offsets).unwrap())
            .timeout(Duration::from_secs(2))
            .after_failure(AfterFailure::Hedge)
            .success("200-299,404".parse::<Statuses>().unwrap())
            .commit(Commit::Full)
            .host(HostField::Client)
            .hedge_methods([HedgeMethod::Get, HedgeMethod::Put])
            .hedge_max_body(1 << 20)
            .body_idle_timeout(Duration::from_millis(5))
            .tunnel_idle_timeout(Duration::from_secs(600));
        let routes = from_file(&[table(text)]).unwrap();
        assert_eq!(format!("{:?}", routes.passed[0].settings(&common)), format!("{expected:?}"));
    }

    #[test]
    fn mistakes_in_what_is_passed_through_say_what_is_wrong() {
        for (text, why) in [
            ("/a/*=http://x/path", "the URL has a path or a query"),
            ("/a/*=http://x?q", "the URL has a path or a query"),
            ("/a/*=memcached://x/k", "the scheme has to be"),
            ("/a/*=http://u:p@x", "a user name or password"),
            ("/a/*=x", "expected a URL such as http://10.0.0.1:8000"),
        ] {
            let said = told(from_lines(text));
            assert!(said.contains(why), "{text}: {said}");
        }
        for (rest, why) in [
            ("", "needs path and source, or path and to"),
            ("source = 'http://x'", "what is below '/a/*' is passed through: its upstreams are given by to"),
            ("to = 'http://x'\nstrategy = 'all'", "strategy means nothing there"),
            ("to = 'http://x'\ncomit = 'full'", "no key 'comit': did you mean commit?"),
            ("to = 'http://x'\nzzz = 1", "no key 'zzz': its keys are path, to"),
            ("to = 'http://x'\ncommit = 'late'", "its commit cannot be 'late': expected one of head, first-byte, full"),
            ("to = 'http://x'\nhost = 'mine'", "its host cannot be 'mine': expected one of client, upstream"),
            ("to = 'http://x'\nsuccess = [99]", "its success cannot be '99': expected"),
            (
                "to = 'http://x'\nhedge-methods = ['POST']",
                "'POST' is none: expected one of GET, HEAD, OPTIONS, PUT, DELETE",
            ),
            ("to = 'http://x'\nhedge-max-body = '2GiB'", "its hedge-max-body cannot be '2GiB': expected a size"),
            ("to = 'http://x'\ntimeout = 'x'", "its timeout cannot be 'x': expected a duration"),
            ("to = true", "to has to be text, or an array of texts"),
        ] {
            let said = told(from_file(&[table(&format!("path = '/a/*'\n{rest}"))]));
            assert!(said.contains(why), "{rest}: {said}");
        }
    }
}
