//! The times of attempts, from a JSON access log.
//!
//! The problem: a line tells of a request, and the curves are made of attempts. The answer: the winner finished at the
//! commit, and all others were ended then. So a line is a primary that took `commit_us` or longer, and, if a hedge was
//! sent, a hedge that took `commit_us - hedge_us` or longer.
//!
//! What this does not know: attempts that had failed before the commit count as ended by it, and of several hedges of
//! one race only the first is told. Requests without a winner say nothing. Memory does not grow with the log: times
//! are counted in rows that are at most a thirty-second of their time wide.

use super::figures::{Figures, Now, Seen};
use headstart::policy::Observed;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, BufRead, BufReader};
use std::time::Duration;

/// The route of lines that name none.
const ALL: &str = "all routes";

/// A day. What is longer is no time of a request.
const LONGEST: u64 = 86_400_000_000;

/// What the log in this file tells; `-` is standard input.
pub(super) fn read(path: &str) -> Result<Seen, String> {
    let cannot = |error: io::Error| format!("cannot read {path}: {error}");
    match path {
        "-" => from_lines("standard input", io::stdin().lock()),
        _ => from_lines(path, BufReader::new(File::open(path).map_err(cannot)?)),
    }
}

fn from_lines(source: &str, mut lines: impl BufRead) -> Result<Seen, String> {
    let mut tally = Tally::default();
    let mut line = Vec::new();
    loop {
        line.clear();
        match lines.read_until(b'\n', &mut line) {
            Ok(0) => break,
            Ok(_) => tally.take(&line),
            Err(error) => return Err(format!("cannot read {source}: {error}")),
        }
    }
    let Tally { objects, malformed, won, routes, .. } = tally;
    let needed = "the JSON access log of a headstart with --log-format json and --log info has what is needed";
    match (routes.is_empty(), objects, won) {
        (false, ..) => {}
        (true, 0, _) if malformed == 0 => return Err(format!("{source} is empty: there are no samples yet")),
        (true, 0, _) => return Err(format!("no line of {source} is a JSON object: {needed}")),
        (true, _, 0) => return Err(format!("no line of {source} tells of a race with a winner: {needed}")),
        (true, ..) => {
            return Err(format!(
                "no line of {source} with a winner has commit_us, hedges and hedge_us, as those of proxy routes have: \
                 {needed}"
            ));
        }
    }
    let routes = routes.into_iter().map(|(name, route)| route.figures(name)).collect();
    Ok(Seen { source: source.to_owned(), window: None, routes, malformed })
}

/// What was counted of all lines so far.
#[derive(Default)]
struct Tally {
    objects: u64,
    malformed: u64,
    /// Lines with a winner, whatever else they have.
    won: u64,
    routes: BTreeMap<String, Route>,
}

#[derive(Default)]
struct Route {
    primaries: Rows,
    hedges: Rows,
    /// When the first hedge was sent.
    delays: Rows,
    races: u64,
    sent: u64,
    most: u64,
}

impl Tally {
    fn take(&mut self, line: &[u8]) {
        if line.trim_ascii().is_empty() {
            return;
        }
        let Ok(Value::Object(line)) = serde_json::from_slice::<Value>(line) else {
            self.malformed += 1;
            return;
        };
        self.objects += 1;
        let field = |name: &str| line.get(name).unwrap_or(&Value::Null);
        let Some(winner) = field("winner").as_u64().filter(|_| field("target") == "headstart::access") else { return };
        self.won += 1;
        let micros = |name: &str| field(name).as_u64();
        let (Some(commit), Some(hedges)) = (micros("commit_us"), micros("hedges")) else { return };
        let hedge = micros("hedge_us");
        if hedges > 0 && hedge.is_none() {
            return;
        }
        let route = self.routes.entry(field("route").as_str().unwrap_or(ALL).to_owned()).or_default();
        route.races += 1;
        route.sent += hedges;
        route.most = route.most.max(hedges);
        route.primaries.add(commit, winner == 0);
        if let Some(begun) = hedge.filter(|_| hedges > 0) {
            route.delays.add(begun, true);
            route.hedges.add(commit.saturating_sub(begun), winner == 1);
        }
    }
}

impl Route {
    fn figures(self, route: String) -> Figures {
        let delays = headstart::policy::Curve::of(self.delays.observed());
        Figures {
            route,
            primaries: self.primaries.observed(),
            hedges: self.hedges.observed(),
            most: u32::try_from(self.most.clamp(1, 15)).unwrap_or(1),
            budget: None,
            upstreams: None,
            now: Now { delay: delays.quantile(0.5), primaries: self.races, hedges: self.sent, ..Now::default() },
        }
    }
}

/// How many finished and were ended in each row of times.
#[derive(Default)]
struct Rows(BTreeMap<(u64, u64), (u64, u64)>);

impl Rows {
    fn add(&mut self, micros: u64, has_finished: bool) {
        let micros = micros.min(LONGEST);
        // All but the six highest digits, in the number's binary form, make no difference.
        let width = 1 << (u64::BITS - micros.leading_zeros()).saturating_sub(6);
        let from = micros / width * width;
        let (finished, ended) = self.0.entry((from, width)).or_default();
        *(if has_finished { finished } else { ended }) += 1;
    }

    fn observed(&self) -> Vec<Observed> {
        let row = |(&(from, width), &(finished, ended)): (&(u64, u64), &(u64, u64))| Observed {
            from: Duration::from_micros(from),
            to: Duration::from_micros(from + width),
            finished,
            ended,
        };
        self.0.iter().map(row).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(fields: &str) -> String {
        format!("{{\"target\":\"headstart::access\",\"message\":\"request\",{fields}}}\n")
    }

    #[test]
    fn the_winner_finished_and_all_others_were_ended_at_the_commit() {
        let log = [
            line(r#""winner":0,"commit_us":32,"hedges":0"#),
            line(r#""winner":0,"commit_us":60,"hedges":1,"hedge_us":20"#),
            line(r#""winner":1,"commit_us":50,"hedges":1,"hedge_us":20"#),
            line(r#""winner":2,"commit_us":50,"hedges":2,"hedge_us":20"#),
        ];
        let seen = from_lines("it", log.concat().as_bytes()).unwrap();
        let [route] = &seen.routes[..] else { panic!("{seen:?}") };
        let rows = |rows: &[Observed]| -> Vec<(u128, u64, u64)> {
            rows.iter().map(|row| (row.from.as_micros(), row.finished, row.ended)).collect()
        };
        assert_eq!(rows(&route.primaries), [(32, 1, 0), (50, 0, 2), (60, 1, 0)]);
        assert_eq!(rows(&route.hedges), [(30, 1, 1), (40, 0, 1)]);
        assert_eq!((route.now.primaries, route.now.hedges, route.most), (4, 4, 2));
        assert_eq!(route.now.delay, Some(Duration::from_nanos(20_500)));
    }

    #[test]
    fn lines_that_cannot_be_read_are_counted_and_others_passed_over() {
        let log = [
            "{\"winner\":0,\n".to_owned(),
            "INFO request status=200\n".to_owned(),
            "\n".to_owned(),
            line(r#""status":503"#),
            "{\"target\":\"headstart\",\"winner\":0,\"commit_us\":1,\"hedges\":0}\n".to_owned(),
            line(r#""winner":0,"commit_us":70,"hedges":0,"route":"/a/*""#),
            line(r#""winner":0,"commit_us":70,"hedges":0,"route":"/b/*""#),
        ];
        let seen = from_lines("it", log.concat().as_bytes()).unwrap();
        assert_eq!(seen.malformed, 2);
        let routes: Vec<_> = seen.routes.iter().map(|route| (&*route.route, route.now.primaries)).collect();
        assert_eq!(routes, [("/a/*", 1), ("/b/*", 1)]);
    }

    #[test]
    fn rows_are_narrow_however_long_the_times() {
        let mut rows = Rows::default();
        for micros in [0, 1, 63, 64, 65, 1_000_000, u64::MAX] {
            rows.add(micros, true);
        }
        let observed = rows.observed();
        assert_eq!(observed.iter().map(|row| row.finished).sum::<u64>(), 7);
        assert!(observed.windows(2).all(|pair| pair[0].to <= pair[1].from), "{observed:?}");
        for row in observed {
            assert!(row.to - row.from <= (row.from / 32).max(Duration::from_micros(1)), "{row:?}");
        }
    }
}
