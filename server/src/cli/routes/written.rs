//! One route as it was written.

use super::keys::{self, text, texts};
use super::passed::SetOwn;
use crate::cli::hedges::{delay, expected, per_cent, per_second};
use crate::cli::places::origins;
use crate::cli::values::{
    COMMITS, HOSTS, duration, failure_status, hedge_methods, number, one_of, path, schedule, size, statuses, strategy,
};
use headstart::policy::PolicySettings;
use headstart::{AfterFailure, Error, Schedule};
use headstart_server::api::{ProxySettings, RouteSettings};
use std::fmt::Display;
use std::rc::Rc;
use toml::Table;

/// What one route is written as.
pub(super) const FORM: &str = "expected PATH=SOURCE, such as /api/http=http://127.0.0.1:9000/";

/// One route as it was written.
pub(super) struct Written {
    pub(super) path: String,
    /// Its sources or upstreams.
    pub(super) targets: Vec<String>,
    pub(super) kind: Kind,
}

/// Sets what a route with sources says of its own.
pub(super) type SetOnce = Box<dyn FnOnce(RouteSettings) -> RouteSettings>;

/// Which kind of route, with everything else that it says, in the form of what adds it to the settings.
pub(super) enum Kind {
    Sources(Vec<SetOnce>),
    Passed(Vec<SetOwn>),
}

impl Kind {
    /// Whether it says nothing else.
    pub(super) fn is_bare(&self) -> bool {
        match self {
            Kind::Sources(rest) => rest.is_empty(),
            Kind::Passed(rest) => rest.is_empty(),
        }
    }
}

/// Whether a route of this path is passed through.
fn is_passed(path: &str) -> bool {
    path.ends_with("/*")
}

impl Written {
    pub(super) fn from_text(text: &str) -> Result<Written, String> {
        let (path, target) = text.split_once('=').filter(|(_, target)| !target.is_empty()).ok_or(FORM)?;
        if !path.starts_with('/') {
            return Err(format!("the path has to begin with a slash: {FORM}"));
        }
        let kind = if is_passed(path) { Kind::Passed(Vec::new()) } else { Kind::Sources(Vec::new()) };
        Written { path: path.to_owned(), targets: vec![target.to_owned()], kind }.checked()
    }

    pub(super) fn from_table(table: &Table) -> Result<Written, String> {
        let path = text(table, "path")?;
        let is_passed = path.as_deref().is_some_and(is_passed);
        keys::check(path.as_deref().unwrap_or_default(), is_passed, table)?;
        let target = if is_passed { "to" } else { "source" };
        let (Some(path), Some(targets)) = (path, texts(table, target)?) else {
            return Err("a route needs path and source, or path and to".to_owned());
        };
        let kind = if is_passed { Kind::Passed(passed(table)?) } else { Kind::Sources(of_sources(table)?) };
        Written { path, targets, kind }.checked()
    }

    /// Upstreams are URLs of a simple kind; what sources are is known to those who call them.
    fn checked(self) -> Result<Written, String> {
        if let Kind::Passed(_) = self.kind {
            origins(&self.targets.join(" "))?;
        }
        Ok(self)
    }
}

fn of_sources(table: &Table) -> Result<Vec<SetOnce>, String> {
    let mut rest: Vec<SetOnce> = Vec::new();
    if let Some(strategy) = text(table, "strategy")?.map(|name| strategy(&name)).transpose()? {
        rest.push(Box::new(move |route| route.strategy(strategy)));
    }
    if let Some(schedule) = own_schedule(table)? {
        rest.push(Box::new(move |route| route.schedule(schedule)));
    }
    let policy = own_policy(table)?;
    if !policy.is_empty() {
        if !table.contains_key("hedge") {
            return Err(
                "a route with sources is hedged by a schedule: the other options of hedging need hedge".to_owned()
            );
        }
        rest.push(Box::new(move |route| route.policy(apply(&policy, PolicySettings::default()))));
    }
    if let Some(after_failure) = after_failure(table)? {
        rest.push(Box::new(move |route| route.after_failure(after_failure)));
    }
    if let Some(timeout) = parsed(table, "timeout", duration)? {
        rest.push(Box::new(move |route| route.timeout(timeout)));
    }
    if let Some(success) = parsed_list(table, "success", statuses)? {
        rest.push(Box::new(move |route| route.success(success)));
    }
    if let Some(status) = parsed(table, "failure-status", failure_status)? {
        rest.push(Box::new(move |route| route.failure_status(status)));
    }
    Ok(rest)
}

fn passed(table: &Table) -> Result<Vec<SetOwn>, String> {
    let policy = Some(own_policy(table)?).filter(|changes| !changes.is_empty());
    let own = [
        set(own_schedule(table)?, ProxySettings::schedule),
        set(policy, |route, changes| {
            let policy = apply(&changes, route.hedging().clone());
            route.policy(policy)
        }),
        set(parsed(table, "dns-refresh", duration)?, ProxySettings::dns_refresh),
        set(parsed(table, "health-path", path)?, ProxySettings::health_path),
        set(after_failure(table)?, ProxySettings::after_failure),
        set(parsed(table, "timeout", duration)?, ProxySettings::timeout),
        set(parsed_list(table, "success", statuses)?, ProxySettings::success),
        set(parsed(table, "commit", |text| one_of(&COMMITS, text))?, ProxySettings::commit),
        set(parsed(table, "host", |text| one_of(&HOSTS, text))?, ProxySettings::host),
        set(parsed_list(table, "hedge-methods", hedge_methods)?, ProxySettings::hedge_methods),
        set(parsed(table, "hedge-max-body", |text| size(0..=1 << 30, text))?, ProxySettings::hedge_max_body),
        set(parsed(table, "body-idle-timeout", duration)?, ProxySettings::body_idle_timeout),
        set(parsed(table, "tunnel-idle-timeout", duration)?, ProxySettings::tunnel_idle_timeout),
    ];
    Ok(own.into_iter().flatten().collect())
}

fn set<T: Clone + 'static>(value: Option<T>, set: fn(ProxySettings, T) -> ProxySettings) -> Option<SetOwn> {
    value.map(|value| Rc::new(move |route| set(route, value.clone())) as SetOwn)
}

fn own_schedule(table: &Table) -> Result<Option<Schedule>, String> {
    let offsets = texts(table, "schedule").map_err(|_| "the schedule has to be an array of start offsets")?;
    let schedule = offsets.map(|offsets| schedule(&offsets.join(","))).transpose();
    schedule.map_err(|why| format!("the schedule is wrong: {why}"))
}

/// A change to a policy.
type Change = Rc<dyn Fn(PolicySettings) -> PolicySettings>;

/// What a route says of hedging.
fn own_policy(table: &Table) -> Result<Vec<Change>, String> {
    if table.contains_key("schedule") && table.contains_key("hedge") {
        return Err("schedule and hedge do not go together: both say when hedges are due".to_owned());
    }
    let dry_run = match table.get("hedge-dry-run") {
        None => None,
        Some(value) => Some(value.as_bool().ok_or("hedge-dry-run has to be true or false")?),
    };
    let changes = [
        own_change(parsed(table, "hedge", delay)?, |policy, delay| Ok(policy.after(delay)))?,
        own_change(parsed(table, "hedge-attempts", |text| number(1..=15, text))?, PolicySettings::hedges)?,
        own_change(parsed(table, "hedge-budget", per_cent)?, PolicySettings::budget)?,
        own_change(parsed(table, "hedge-min-rate", per_second)?, PolicySettings::min_rate)?,
        own_change(parsed(table, "hedge-max-concurrent", |text| number(1..=1_000_000, text))?, |policy, count| {
            Ok(policy.max_concurrent(count))
        })?,
        own_change(dry_run, |policy, dry_run| Ok(policy.dry_run(dry_run)))?,
    ];
    Ok(changes.into_iter().flatten().collect())
}

/// The change that sets `value`, which no policy refuses.
fn own_change<T: Copy + 'static>(
    value: Option<T>,
    set: fn(PolicySettings, T) -> Result<PolicySettings, Error>,
) -> Result<Option<Change>, String> {
    let Some(value) = value else { return Ok(None) };
    set(PolicySettings::default(), value).map_err(expected)?;
    Ok(Some(Rc::new(move |policy| set(policy, value).expect("it was tried"))))
}

fn apply(changes: &[Change], policy: PolicySettings) -> PolicySettings {
    changes.iter().fold(policy, |policy, change| change(policy))
}

fn after_failure(table: &Table) -> Result<Option<AfterFailure>, String> {
    let Some(value) = table.get("hedge-on-failure") else { return Ok(None) };
    let hedges = value.as_bool().ok_or("hedge-on-failure has to be true or false")?;
    Ok(Some(if hedges { AfterFailure::Hedge } else { AfterFailure::Wait }))
}

fn parsed<T, E: Display>(table: &Table, key: &str, parse: impl Fn(&str) -> Result<T, E>) -> Result<Option<T>, String> {
    let Some(text) = text(table, key)? else { return Ok(None) };
    parse(&text).map(Some).map_err(|why| wrong(key, &text, &why))
}

/// The same of a key that may have an array.
fn parsed_list<T, E: Display>(
    table: &Table,
    key: &str,
    parse: impl Fn(&str) -> Result<T, E>,
) -> Result<Option<T>, String> {
    let Some(texts) = texts(table, key)? else { return Ok(None) };
    let text = texts.join(",");
    parse(&text).map(Some).map_err(|why| wrong(key, &text, &why))
}

fn wrong(key: &str, text: &str, why: &dyn Display) -> String {
    format!("its {key} cannot be '{text}': {why}")
}
