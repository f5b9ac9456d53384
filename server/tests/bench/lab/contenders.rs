//! The contenders, and what each is told.

use crate::harness::Result;
use crate::places;
use crate::scenario::Scenario;
use std::fs;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

/// A proxy that hedges in its own way.
pub(crate) struct Contender {
    /// One word, as in the tables and after `--contenders`.
    pub(crate) name: &'static str,
    /// One line for the legend.
    pub(crate) what: &'static str,
    kind: Kind,
}

/// When it hedges.
#[derive(Clone, Copy)]
enum When {
    Never,
    /// After the scenario's delay, whatever it costs.
    Fixed,
    /// As the policy decides, within the scenario's budget.
    Policy,
    /// At this quantile, whatever it costs.
    Quantile(&'static str),
}

enum Kind {
    Ours(When),
    Go(When),
    Envoy,
}

pub(crate) static ALL: [Contender; 9] = [
    Contender { name: "none", what: "headstart without hedging", kind: Kind::Ours(When::Never) },
    Contender { name: FIXED, what: "headstart, hedging after the scenario's delay", kind: Kind::Ours(When::Fixed) },
    Contender { name: "policy", what: "headstart, hedging as its policy decides", kind: Kind::Ours(When::Policy) },
    Contender { name: "p90", what: "headstart at the quantile, no budget", kind: Kind::Ours(When::Quantile("p90")) },
    Contender { name: "p95", what: "headstart at the quantile, no budget", kind: Kind::Ours(When::Quantile("p95")) },
    Contender { name: "p99", what: "headstart at the quantile, no budget", kind: Kind::Ours(When::Quantile("p99")) },
    Contender {
        name: "go-fixed",
        what: "a proxy on Go's standard library, hedging after the scenario's delay",
        kind: Kind::Go(When::Fixed),
    },
    Contender {
        name: "go-p90",
        what: "the same, hedging at the p90 of its answers' times, with a bucket of tokens as its budget of 10 %",
        kind: Kind::Go(When::Quantile("0.9")),
    },
    Contender {
        name: "envoy",
        what: "Envoy with `hedge_policy`, hedging after the scenario's delay",
        kind: Kind::Envoy,
    },
];

/// The baseline that hedging is compared with.
pub(crate) const NONE: &str = "none";
/// The one whose delay is foreseen.
pub(crate) const FIXED: &str = "fixed";
/// The one that makes promises.
pub(crate) const POLICY: &str = "policy";

/// Where a contender listens, and what it stands before.
pub(crate) struct Site {
    pub(crate) listen: SocketAddr,
    /// For its figures, if it has any.
    pub(crate) admin: SocketAddr,
    pub(crate) upstreams: Vec<String>,
    pub(crate) cores: usize,
}

impl Contender {
    /// Its program, or the command that installs it.
    pub(crate) fn program(&self) -> Result<PathBuf> {
        match self.kind {
            Kind::Ours(_) => Ok(env!("CARGO_BIN_EXE_headstart").into()),
            Kind::Go(_) => places::installed("rivals-go/hedger"),
            Kind::Envoy => places::installed("rivals-python/envoy"),
        }
    }

    /// Whether it takes part. Those that hedge at a quantile are judged where latencies are steady and many.
    pub(crate) fn is_in(&self, scenario: &Scenario) -> bool {
        match self.kind {
            Kind::Ours(When::Quantile(_)) => scenario.number == 1,
            _ => true,
        }
    }

    /// Whether it needs nothing but this package.
    pub(crate) fn is_ours(&self) -> bool {
        matches!(self.kind, Kind::Ours(_))
    }

    /// Whether `/metrics` can be asked at the site's `admin`.
    pub(crate) fn has_metrics(&self) -> bool {
        self.is_ours()
    }

    /// The share of requests that it was asked to hedge, where latencies are steady.
    pub(crate) fn asked_rate(&self) -> Option<f64> {
        match self.kind {
            Kind::Ours(When::Quantile(quantile)) => Some(1.0 - quantile[1..].parse::<f64>().ok()? / 100.0),
            _ => None,
        }
    }

    pub(crate) fn arguments(&self, scenario: &Scenario, site: &Site) -> Result<Vec<String>> {
        match self.kind {
            Kind::Ours(when) => {
                let mut words = vec!["proxy".to_owned()];
                for upstream in &site.upstreams {
                    words.extend(["--to".to_owned(), format!("http://{upstream}")]);
                }
                words.extend(["--listen".to_owned(), site.listen.to_string()]);
                words.extend(["--admin".to_owned(), site.admin.to_string()]);
                words.extend(["--timeout".to_owned(), millis(scenario.timeout)]);
                words.extend(["--max-in-flight", "16384", "--max-connections", "16384"].map(str::to_owned));
                words.extend(hedge(when, scenario));
                Ok(words)
            }
            Kind::Go(when) => {
                let mut words = vec!["-listen".to_owned(), site.listen.to_string()];
                words.extend(["-to".to_owned(), site.upstreams.join(",")]);
                words.extend(["-hedges".to_owned(), scenario.hedging.attempts.to_string()]);
                match when {
                    When::Quantile(quantile) => words.extend(["-quantile".to_owned(), quantile.to_owned()]),
                    _ => words.extend(["-delay".to_owned(), millis(scenario.hedging.fixed)]),
                }
                Ok(words)
            }
            Kind::Envoy => {
                let path = places::target().join("lab").join("envoy.yaml");
                fs::create_dir_all(path.parent().ok_or("no directory")?)?;
                fs::write(&path, envoy(scenario, site))?;
                let words = ["--disable-hot-restart", "--log-level", "error", "--config-path"].map(str::to_owned);
                let concurrency = ["--concurrency".to_owned(), site.cores.to_string()];
                Ok(words.into_iter().chain([path.display().to_string()]).chain(concurrency).collect())
            }
        }
    }
}

/// The flags of hedging.
fn hedge(when: When, scenario: &Scenario) -> Vec<String> {
    let hedging = &scenario.hedging;
    let (when, budget) = match when {
        When::Never => return vec!["--hedge".to_owned(), "off".to_owned()],
        When::Fixed => (millis(hedging.fixed), 100.0),
        When::Policy => ("auto:2ms..1s".to_owned(), hedging.budget),
        When::Quantile(quantile) => (quantile.to_owned(), 100.0),
    };
    let words = ["--hedge", &when, "--hedge-budget", &format!("{budget}%"), "--hedge-attempts"].map(str::to_owned);
    words.into_iter().chain([hedging.attempts.to_string()]).collect()
}

fn millis(duration: Duration) -> String {
    format!("{}ms", duration.as_millis())
}

/// A hedge begins when the latest attempt has not answered in time; then it waits a random moment below 2 ms more.
fn envoy(scenario: &Scenario, site: &Site) -> String {
    let endpoint = |upstream: &String| {
        let (address, port) = upstream.rsplit_once(':').unwrap_or((upstream, "0"));
        format!(
            "        - endpoint: {{ address: {{ socket_address: {{ address: {address}, port_value: {port} }} }} }}\n"
        )
    };
    include_str!("envoy.yaml")
        .replace("LISTEN_PORT", &site.listen.port().to_string())
        .replace("TIMEOUT", &format!("{:.3}s", scenario.timeout.as_secs_f64()))
        .replace("DELAY", &format!("{:.3}s", scenario.hedging.fixed.as_secs_f64()))
        .replace("HEDGES", &scenario.hedging.attempts.to_string())
        .replace("        ENDPOINTS\n", &site.upstreams.iter().map(endpoint).collect::<String>())
}
