//! When requests of proxy routes are hedged, and how much of it.

use crate::cli::hedges::{delay, expected, per_cent, per_second};
use crate::cli::option::{Kind, Opt, UsedBy};
use crate::cli::settings::Settings;
use crate::cli::values::{number, switch};
use headstart::Error;
use headstart::policy::PolicySettings;

const SECTION: &str = "Hedging of proxy routes";

pub(super) const OPTIONS: &[Opt] = &[
    Opt {
        name: "hedge",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "DELAY",
        default: "auto:2ms..1s",
        help: "After what time a request is hedged. off, a duration such as 10ms, the quantile of the times of the \
               last 30 s such as p95 or p99.9, or auto, which is as early as --hedge-budget allows. A quantile and \
               auto can have bounds, such as p95:2ms..500ms; until 50 attempts were seen the upper one holds. With \
               --schedule, that says when hedges are due, without any limit",
        set: |settings, text| delay(text).and_then(|delay| change(settings, |policy| Ok(policy.after(delay)))),
    },
    Opt {
        name: "hedge-attempts",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Integer,
        value: "COUNT",
        default: "1",
        help: "Hedges of a request at most. Each is due after the same delay again",
        set: |settings, text| number(1..=15, text).and_then(|count| change(settings, |policy| policy.hedges(count))),
    },
    Opt {
        name: "hedge-budget",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Quantity,
        value: "PERCENT",
        default: "10%",
        help: "Hedges sent for each hundred requests, over the last 10 s. A hedge beyond that waits until there is \
               room",
        set: |settings, text| per_cent(text).and_then(|share| change(settings, |policy| policy.budget(share))),
    },
    Opt {
        name: "hedge-min-rate",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Float,
        value: "RATE",
        default: "1",
        help: "Hedges a second that may be sent beyond the budget, so that rare requests can be hedged. 0 for none",
        set: |settings, text| per_second(text).and_then(|rate| change(settings, |policy| policy.min_rate(rate))),
    },
    Opt {
        name: "hedge-max-concurrent",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Integer,
        value: "COUNT",
        default: "",
        help: "Hedges of a route that run at a time. Without it, a tenth of --max-in-flight, at least 2",
        set: |settings, text| {
            number(1..=1_000_000, text).and_then(|count| change(settings, |policy| Ok(policy.max_concurrent(count))))
        },
    },
    Opt {
        name: "hedge-dry-run",
        section: SECTION,
        used_by: UsedBy::Served,
        kind: Kind::Switch,
        value: "BOOL",
        default: "false",
        help: "Whether everything is decided and counted, and no hedge is sent. To see what hedging would cost",
        set: |settings, text| switch(text).and_then(|dry| change(settings, |policy| Ok(policy.dry_run(dry)))),
    },
];

/// Changes the policy of proxy routes.
fn change(
    settings: &mut Settings,
    change: impl FnOnce(PolicySettings) -> Result<PolicySettings, Error>,
) -> Result<(), String> {
    let policy = change(settings.proxy.hedging().clone()).map_err(expected)?;
    settings.proxy = settings.proxy.clone().policy(policy);
    Ok(())
}
