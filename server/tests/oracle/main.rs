//! The framing against an independent parser, over generated requests: valid, borderline and hostile.
//!
//! A server that frames requests in another way than the next parser in the chain lets requests be smuggled. So the
//! same bytes go through our framing and through h11 (Python), and the two have to agree on every request: accepted or
//! refused, what it says, where the next one begins. Where ours differs on purpose, `compare.py` lists the choice and
//! finds its reason in the bytes by itself; any other disagreement fails.
//!
//! `cargo test` judges 30,000 cases; a million, in a minute on four idle cores:
//!
//! ```text
//! HEADSTART_ORACLE_CASES=1000000 cargo test --package headstart-server --test oracle -- --nocapture
//! ```
//!
//! `HEADSTART_ORACLE_SEED` chooses other ones, `PYTHON` another interpreter than `python3`.
//!
//! A target of its own: it is run with many more cases at times, and the front's own files are compiled here, since the
//! framing is no public item. [`over_sockets`] shows that a server does with the bytes what they say, and
//! [`over_proxy`] that nothing else of them reaches an upstream.

#![allow(dead_code, unreachable_pub)] // the front's files have more in them than is judged here

#[path = "../../src/front"]
mod server {
    pub(crate) mod chunked;
    pub(crate) mod framing;
    pub(crate) mod remaining;
}

mod cases;
mod h11;
#[cfg(all(feature = "cli", target_os = "linux"))]
mod over_proxy;
mod over_sockets;
#[cfg(all(feature = "cli", target_os = "linux"))]
#[macro_use]
#[path = "../support/mod.rs"]
mod support;
mod verdict;

use proptest::prelude::*;
use std::collections::BTreeMap;

fn number_from(variable: &str, default: u64) -> u64 {
    std::env::var(variable).map_or(default, |text| text.parse().unwrap_or_else(|_| panic!("{variable}={text}")))
}

#[headstart_testing::needs("h11")]
#[test]
fn our_framing_and_an_independent_parser_agree_but_for_what_is_stricter_on_purpose() {
    let cases = number_from("HEADSTART_ORACLE_CASES", 30_000);
    let seed = number_from("HEADSTART_ORACLE_SEED", 1);
    let workers = std::thread::available_parallelism().map_or(1, usize::from).min(4) as u64;
    let findings: Vec<Findings> = std::thread::scope(|scope| {
        let judges: Vec<_> = (0..workers)
            .map(|worker| scope.spawn(move || judge((worker..cases).step_by(workers as usize).map(|at| (seed, at)))))
            .collect();
        judges.into_iter().map(|judge| judge.join().unwrap()).collect()
    });
    let mut all = Findings::default();
    findings.into_iter().for_each(|some| all.add(some));
    eprintln!("{all:#?}");
    assert!(all.unexplained.is_empty(), "{}", all.unexplained.join("\n"));
    assert_eq!(all.comparisons.values().sum::<u64>(), cases);
    // The generator has to reach all sides, or the agreement means little.
    assert!(all.accepted > cases / 3, "{} requests accepted", all.accepted);
    assert!(all.refused > cases / 5, "{} cases refused", all.refused);
}

#[derive(Debug, Default)]
struct Findings {
    /// Requests accepted by us, and cases that end in a refusal of ours.
    accepted: u64,
    refused: u64,
    /// Cases by what came of the comparison.
    comparisons: BTreeMap<String, u64>,
    /// The first disagreements that nothing explains.
    unexplained: Vec<String>,
}

impl Findings {
    fn add(&mut self, other: Findings) {
        self.accepted += other.accepted;
        self.refused += other.refused;
        other.comparisons.into_iter().for_each(|(what, count)| *self.comparisons.entry(what).or_default() += count);
        self.unexplained.extend(other.unexplained);
    }
}

fn judge(cases: impl Iterator<Item = (u64, u64)> + Clone + Send) -> Findings {
    const SHOWN: usize = 5;
    let mut findings = Findings::default();
    let judged = cases.map(|(seed, at)| {
        let case = cases::case(seed, at);
        let ours = verdict::of(&case);
        (case, ours)
    });
    h11::ask(judged, |case, ours, comparison| {
        findings.accepted += ours.requests.len() as u64;
        findings.refused += u64::from(matches!(ours.end, verdict::End::Refused(_)));
        *findings.comparisons.entry(comparison.split(',').next().unwrap_or_default().to_owned()).or_default() += 1;
        if comparison.starts_with("unexplained") && findings.unexplained.len() < SHOWN {
            findings.unexplained.push(format!("{}\n  ours {ours:?}\n  {comparison}", case.escape_ascii()));
        }
    });
    findings
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn where_the_bytes_are_cut_changes_no_verdict(
        seed in any::<u64>(),
        cuts in prop::collection::vec(any::<usize>(), 0..8),
    ) {
        let case = cases::case(seed, 0);
        prop_assert_eq!(verdict::in_pieces(&case, &cuts), verdict::of(&case), "{}", case.escape_ascii());
    }

    #[test]
    fn no_bytes_make_the_framing_panic(case in prop::collection::vec(any::<u8>(), 0..200)) {
        verdict::of(&case);
    }
}
