//! The page at `/`: what this is, how it does, what to try.
//!
//! One file without a script and without anything from elsewhere. It is written on the server and reloads itself, so it
//! is live with scripts off, and its security policy can forbid everything but its own style.

use super::hedging;
use super::route::BUILT_IN;
use super::strategy::Strategy;
use crate::front::{Request, Response};
use crate::metrics::Summary;
use headstart::crew::{CrewStats, StuckCall};
use headstart::policy::{self, PolicySettings};
use std::cmp::Reverse;
use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

const TEMPLATE: &str = include_str!("page.html");
const POLICY: &str =
    "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const STUCK_CALLS_SHOWN: usize = 20;

/// What the page shows.
pub(super) struct Figures<'a> {
    pub(super) uptime: Duration,
    pub(super) summary: Summary,
    pub(super) in_flight: usize,
    pub(super) max_in_flight: usize,
    pub(super) crew: CrewStats,
    /// Whether the built-in routes are served.
    pub(super) has_built_in: bool,
    /// The other routes: path and strategy.
    pub(super) routes: Vec<(String, &'static str)>,
    /// Those that are hedged by a policy.
    pub(super) hedging: Vec<Hedging<'a>>,
}

/// A route's path, its policy's settings, and what that has seen and decided.
pub(super) type Hedging<'a> = (&'a str, Arc<PolicySettings>, policy::Figures);

/// The page of the server that clients reach at `host`.
pub(super) fn render(host: &str, figures: &Figures<'_>) -> Response {
    Response::new(200, "text/html; charset=utf-8", fill(host, figures).into_bytes())
        .with_header("Content-Security-Policy", POLICY)
        .with_header("X-Content-Type-Options", "nosniff")
        .with_header("Cache-Control", "no-store")
}

fn fill(host: &str, figures: &Figures<'_>) -> String {
    let Figures { uptime, summary, in_flight, max_in_flight, crew, has_built_in, routes, hedging } = figures;
    let won: u64 = summary.winners.iter().sum();
    let won_by_hedges: u64 = summary.winners.iter().skip(1).sum();
    let values = [
        ("{version}", env!("CARGO_PKG_VERSION").to_owned()),
        ("{uptime}", in_words(*uptime)),
        ("{races}", summary.races.to_string()),
        ("{extra_load}", percent(summary.hedges, summary.primaries)),
        ("{rescued}", percent(won_by_hedges, won)),
        ("{in_flight}", in_flight.to_string()),
        ("{max_in_flight}", max_in_flight.to_string()),
        ("{clients_gone}", summary.clients_gone.to_string()),
        ("{hedges_shed}", summary.hedges_shed.to_string()),
        ("{threads}", crew.threads.to_string()),
        ("{threads_bound}", crew.max_threads.to_string()),
        ("{stuck}", crew.stuck.len().to_string()),
        ("{winners}", winners(&summary.winners, won)),
        ("{built_in}", if *has_built_in { built_in_in_rows() } else { String::new() }),
        ("{routes}", routes_in_rows(routes)),
        ("{hedging}", hedging_in_rows(hedging)),
        ("{host}", host.to_owned()),
        ("{stuck_calls}", stuck_calls(&crew.stuck)), // the last: labels may hold anything
    ];
    values.iter().fold(TEMPLATE.to_owned(), |page, (place, value)| page.replace(place, value))
}

/// A row for each attempt up to the last one that ever won.
fn winners(winners: &[u64], won: u64) -> String {
    let Some(last) = winners.iter().rposition(|wins| *wins > 0) else {
        return "  <tr><td>none yet</td></tr>\n".to_owned();
    };
    winners[..=last].iter().enumerate().fold(String::new(), |mut rows, (attempt, wins)| {
        let name = if attempt == 0 { "primary".to_owned() } else { format!("hedge {attempt}") };
        let share = percent(*wins, won);
        let bar = format!(r#"<progress max="{won}" value="{wins}"></progress>"#);
        let numbers = format!(r#"<td class="number">{wins}</td><td class="number">{share}</td>"#);
        let _ = writeln!(rows, "  <tr><td>{name}</td><td>{bar}</td>{numbers}</tr>"); // a string takes everything
        rows
    })
}

fn built_in_in_rows() -> String {
    BUILT_IN.iter().fold(String::new(), |mut rows, (path, strategy)| {
        let (does, timeout) = match strategy {
            Strategy::Smart => ("hedged, first success", 1_000),
            Strategy::First => ("all at once, first success", 1_000),
            Strategy::All => ("all at once, every success", 1_000),
            Strategy::WithinTimeout => ("all at once, every success in time", 400),
        };
        let url = format!("http://{{host}}{path}?timeout={timeout}");
        let _ = writeln!(rows, "  <tr><td>{does}</td><td><code>curl '{url}'</code></td></tr>");
        rows
    })
}

fn routes_in_rows(routes: &[(String, &'static str)]) -> String {
    routes.iter().fold(String::new(), |mut rows, (path, strategy)| {
        let path = escaped(path).replace('\'', "&#39;");
        let _ =
            writeln!(rows, "  <tr><td>route, {strategy}</td><td><code>curl 'http://{{host}}{path}'</code></td></tr>");
        rows
    })
}

/// What each policy has saved and spent, and what becomes of its hedges.
fn hedging_in_rows(hedging: &[Hedging<'_>]) -> String {
    if hedging.is_empty() {
        return "  <tr><td>every route is hedged by its schedule</td></tr>\n".to_owned();
    }
    hedging.iter().fold(String::new(), |mut rows, (path, settings, figures)| {
        let delay = figures.places.iter().filter_map(|place| place.delay).min();
        let after = delay.map_or_else(|| "never".to_owned(), |delay| format!("after {}", milliseconds(delay)));
        let mut skipped: Vec<_> = figures.skipped.iter().filter(|(_, count)| *count > 0).collect();
        skipped.sort_by_key(|(_, count)| Reverse(*count));
        let allowed = settings.share() * figures.recent_primaries as f64;
        let skipped: Vec<String> = skipped.iter().map(|(reason, count)| format!("{reason} {count}")).collect();
        for (name, value) in [
            ("hedges are due", format!("{after} ({})", settings.delay())),
            ("hedges per primary", percent(figures.hedges_sent, figures.primaries_sent)),
            ("budget left now", format!("{} of {allowed:.0} in 10 s", figures.budget_left)),
            ("time saved for clients", milliseconds(figures.saved)),
            ("upstream time spent on losers", milliseconds(figures.wasted)),
            ("due and not sent", if skipped.is_empty() { "none".to_owned() } else { skipped.join(", ") }),
        ] {
            let _ = writeln!(
                rows,
                r#"  <tr><td><code>{}</code></td><td>{name}</td><td class="number">{value}</td></tr>"#,
                escaped(path)
            );
        }
        for place in &figures.places {
            let (state, sent) = (hedging::state(place.state), place.primaries_sent + place.hedges_sent);
            let _ = writeln!(
                rows,
                r#"  <tr><td><code>{}</code></td><td>{}</td><td class="number">{state}, {} in flight, {sent} sent</td></tr>"#,
                escaped(path),
                escaped(&place.label),
                place.in_flight,
            );
        }
        rows
    })
}

fn milliseconds(time: Duration) -> String {
    match time.as_secs_f64() * 1_000.0 {
        short if short < 100.0 => format!("{short:.1} ms"),
        long if long < 10_000.0 => format!("{long:.0} ms"),
        long => format!("{:.0} s", long / 1_000.0),
    }
}

/// The longest overdue first, and not all of thousands.
fn stuck_calls(calls: &[StuckCall]) -> String {
    if calls.is_empty() {
        return "  <tr><td>none</td></tr>\n".to_owned();
    }
    let mut calls: Vec<&StuckCall> = calls.iter().collect();
    calls.sort_by_key(|call| Reverse(call.overdue));
    calls.iter().take(STUCK_CALLS_SHOWN).fold(String::new(), |mut rows, call| {
        let label = escaped(&call.label);
        let overdue = call.overdue.as_secs_f64();
        let _ = writeln!(rows, r#"  <tr><td>{label}</td><td class="number">{overdue:.1} s overdue</td></tr>"#);
        rows
    })
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

/// What the client called the server, if that is a host and port and nothing else: it ends up in the page.
pub(super) fn host_of(request: &Request<'_>) -> String {
    let harmless = |byte: &u8| byte.is_ascii_alphanumeric() || b".:-_[]".contains(byte);
    match request.header("host").map(|host| (host, str::from_utf8(host))) {
        Some((bytes, Ok(host))) if !bytes.is_empty() && bytes.iter().all(harmless) => host.to_owned(),
        _ => "127.0.0.1:8081".to_owned(),
    }
}

fn percent(part: u64, whole: u64) -> String {
    if whole == 0 { "–".to_owned() } else { format!("{:.1} %", part as f64 * 100.0 / whole as f64) }
}

fn in_words(time: Duration) -> String {
    let seconds = time.as_secs();
    match (seconds / 86_400, seconds / 3_600 % 24, seconds / 60 % 60) {
        (0, 0, 0) => format!("{seconds} s"),
        (0, 0, minutes) => format!("{minutes} min {} s", seconds % 60),
        (0, hours, minutes) => format!("{hours} h {minutes} min"),
        (days, hours, _) => format!("{days} d {hours} h"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use headstart::Deadline;
    use headstart::TimeLimit;
    use headstart::TimedCall;
    use headstart::cancel::{CancelReason, CancelToken};
    use headstart::crew::{Crew, CrewSettings};

    #[test]
    fn every_place_in_the_page_is_filled() {
        let figures = Figures {
            uptime: Duration::from_secs(3_723),
            summary: Summary {
                races: 10,
                primaries: 10,
                hedges: 3,
                hedges_shed: 0,
                clients_gone: 0,
                winners: vec![6, 2],
            },
            in_flight: 1,
            max_in_flight: 64,
            crew: Crew::new(CrewSettings::default()).unwrap().stats(),
            has_built_in: true,
            hedging: Vec::new(),
            routes: vec![("/api/cache".to_owned(), "smart")],
        };
        let page = fill("localhost:1", &figures);
        let body = page.split("</style>").nth(1).unwrap();
        assert!(!body.contains(['{', '}']), "{body}");
        for figure in
            ["1 h 2 min", "30.0 %", "25.0 %", "hedge 1", "http://localhost:1/api/smart", "http://localhost:1/api/cache"]
        {
            assert!(body.contains(figure), "{figure} in {body}");
        }
    }

    #[test]
    fn stuck_calls_are_listed_the_longest_overdue_first_and_harmless() {
        let crew = Crew::new(CrewSettings::default()).unwrap();
        let (_open, never) = crossbeam_channel::bounded::<()>(0);
        for label in ["first <b>", "second {host}"] {
            let (never, token) = (never.clone(), CancelToken::new());
            let limit = TimeLimit::new(Deadline::Never, &token);
            let call = TimedCall::new(limit).on(&crew).label(label);
            call.run(move |_| {
                token.cancel(CancelReason::ClientGone); // not before the call has begun
                never.recv_timeout(Duration::from_secs(20))
            })
            .unwrap_err();
        }
        let rows = stuck_calls(&crew.stats().stuck);
        let (first, second) = (rows.find("first &lt;b&gt;").unwrap(), rows.find("second {host}").unwrap());
        assert!(first < second, "{rows}");
    }

    #[test]
    fn the_page_takes_nothing_from_elsewhere_and_runs_no_script() {
        for foreign in ["<script", "src=", "@import", "url(", "<link", "href=\"http"] {
            assert!(!TEMPLATE.contains(foreign), "{foreign}");
        }
    }
}
